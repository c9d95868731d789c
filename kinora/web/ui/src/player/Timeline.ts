/** All frames of a job in a few bytes each: enough for the scrubber, and for finding a frame's results. */
import { streamFrames } from "../api/calls";
import type { FrameData } from "../api/generated";
import { isCut, visibleDetections } from "../draw/detections";
import { giveWay } from "../ui/giveWay";

/** The pause between two calls of `onGrown`. */
const PAUSE_MS = 250;
/** The longest time for reading lines in one go: lines that have already arrived are read without a pause. */
const STINT_MS = 10;

export class Timeline {
  #index = new Int32Array(1024);
  #time = new Float64Array(1024);
  #found = new Uint16Array(1024);
  #cut = new Uint8Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  index(row: number): number {
    return this.#index[row] ?? 0;
  }

  /** Milliseconds since the start of the source. */
  time(row: number): number {
    return this.#time[row] ?? 0;
  }

  /** The number of detections that are drawn on the frame. */
  found(row: number): number {
    return this.#found[row] ?? 0;
  }

  isCut(row: number): boolean {
    return this.#cut[row] === 1;
  }

  /** The row of the last frame whose index is at most `index`; -1 if there is none. */
  rowOf(index: number): number {
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.index(middle) <= index) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Append a frame. Frames come in order; one that is already there is skipped. */
  add(frame: FrameData): void {
    if (this.#length > 0 && frame.index <= this.index(this.#length - 1)) return;
    if (this.#length === this.#index.length) this.#grow();
    this.#index[this.#length] = frame.index;
    this.#time[this.#length] = frame.timestamp_ms;
    this.#found[this.#length] = visibleDetections(frame).length;
    this.#cut[this.#length] = isCut(frame) ? 1 : 0;
    this.#length += 1;
  }

  #grow(): void {
    const size = this.#index.length * 2;
    this.#index = copied(new Int32Array(size), this.#index);
    this.#time = copied(new Float64Array(size), this.#time);
    this.#found = copied(new Uint16Array(size), this.#found);
    this.#cut = copied(new Uint8Array(size), this.#cut);
  }
}

function copied<T extends Int32Array | Float64Array | Uint16Array | Uint8Array>(into: T, from: T): T {
  into.set(from);
  return into;
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
  const response = await streamFrames(jobId, "application/x-ndjson", after, signal);
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
