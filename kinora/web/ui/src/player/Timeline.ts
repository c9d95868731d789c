/** All frames of a job in a few bytes each: enough for the scrubber, for sorting and filtering, and for finding a frame's results. */
import { streamFrames } from "../api/calls";
import type { FrameData } from "../api/generated";
import { isCut, visibleDetections } from "../draw/detections";
import { receivedAt } from "../realtime/outage";
import { giveWay } from "../ui/giveWay";
import { Columns } from "./Columns";
import { FoundKinds } from "./FoundKinds";
import { Growing } from "./Growing";
import { RowWords } from "./RowWords";

/** The pause between two calls of `onGrown`. */
const PAUSE_MS = 250;
/** The longest time for reading lines in one go: lines that have already arrived are read without a pause. */
const STINT_MS = 10;

export class Timeline {
  /** The numbers of every row by column. */
  readonly columns = new Columns();
  /** The words of every row. */
  readonly words = new RowWords();
  readonly kinds = new FoundKinds();
  readonly #index = new Growing((size) => new Int32Array(size));
  readonly #time = new Growing((size) => new Float64Array(size));
  readonly #found = new Growing((size) => new Uint16Array(size));
  readonly #cut = new Growing((size) => new Uint8Array(size));

  /** True if the source is live, whose pictures are not kept. */
  isLive = false;

  get length(): number {
    return this.#index.length;
  }

  index(row: number): number {
    return this.#index.at(row);
  }

  /** The index at a row that may not be loaded yet: the distance of the last two that are goes on. */
  expectedIndex(row: number): number {
    const last = this.length - 1;
    if (row <= last) return this.index(row);
    return last < 0 ? row : this.index(last) + (row - last) * (last < 1 ? 1 : this.index(last) - this.index(last - 1));
  }

  /** Milliseconds since the start of the source. */
  time(row: number): number {
    return this.#time.at(row);
  }

  /** The number of detections that are drawn on the frame. */
  found(row: number): number {
    return this.#found.at(row);
  }

  isCut(row: number): boolean {
    return this.#cut.at(row) === 1;
  }

  /** The row of the last frame whose index is at most `index`; -1 if there is none. */
  rowOf(index: number): number {
    return this.#lastRow((row) => this.index(row) <= index);
  }

  /** The row of the last frame at or before this time, in milliseconds; -1 if there is none. */
  rowAt(ms: number): number {
    return this.#lastRow((row) => this.time(row) <= ms);
  }

  /** The last row of those at the beginning for which `holds`. */
  #lastRow(holds: (row: number) => boolean): number {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(middle)) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Append a frame. Frames come in order; one that is already there is skipped. */
  add(frame: FrameData): void {
    const row = this.length;
    if (row > 0 && frame.index <= this.index(row - 1)) return;
    this.isLive ||= receivedAt(frame) !== null;
    this.#index.push(frame.index);
    this.#time.push(frame.timestamp_ms);
    this.#found.push(visibleDetections(frame).length);
    this.#cut.push(isCut(frame) ? 1 : 0);
    this.columns.add(row, frame);
    this.words.add(frame);
    this.kinds.add(frame);
  }
}

/** Add the server's frames after the last one, a line at a time; only the timeline's own bytes are kept.
 *
 * A long job takes a while: `onGrown` is called and awaited every `PAUSE_MS` meanwhile.
 */
export async function extendTimeline(
  timeline: Timeline,
  jobId: string,
  signal: AbortSignal,
  onGrown: () => void | Promise<void>,
): Promise<void> {
  const after = timeline.length === 0 ? -1 : timeline.index(timeline.length - 1);
  const response = await streamFrames(jobId, after, signal);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let told = -Infinity;
  let began = performance.now();
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    const lines = (rest + read.value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") timeline.add(JSON.parse(line) as FrameData);
    if (performance.now() - told >= PAUSE_MS) {
      await onGrown();
      told = performance.now();
    }
    if (performance.now() - began >= STINT_MS) {
      await giveWay();
      began = performance.now();
    }
  }
}
