/** All frames of a job, a few bytes each: enough for a scrubber and for finding the rest. */
import { streamFrames } from "../api/calls";
import type { FrameData } from "../api/generated";
import { isCut, visibleDetections } from "../draw/detections";
import { giveWay } from "../ui/giveWay";

/** Between two calls of `onGrown`. */
const PAUSE_MS = 250;
/** The longest that lines are read in one go: what has come already is read without a pause between. */
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

  /** Milliseconds from the source's start. */
  time(row: number): number {
    return this.#time[row] ?? 0;
  }

  /** Detections that are drawn on the frame. */
  found(row: number): number {
    return this.#found[row] ?? 0;
  }

  isCut(row: number): boolean {
    return this.#cut[row] === 1;
  }

  /** Of the last frame whose index is at most `index`; -1 if there is none. */
  rowOf(index: number): number {
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.index(middle) <= index) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Frames come in order; one that is there already is passed over. */
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

/** Add what the server has behind the last frame, a line at a time; nothing but the timeline's own bytes stays.
 *
 * `onGrown` is called now and then on the way, and waited for: of a long job it takes a while.
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
