/** Results of plugins that do not work on each frame: those at the side, which may come late, and those that take every Nth. */
import type { FrameData, FramePayload, JsonObject } from "../api/generated";
import { frameOf } from "./frameOf";

/** The most frames whose late results are kept; the oldest go. */
const MAX_FRAMES = 1000;
/** The results of each plugin that may be the newest one of the frame on the screen, which lags behind. */
const RECENT = 16;

interface Completed {
  late: JsonObject;
  count: number;
  frame: FrameData;
}

export class SparseResults {
  /** By index. What comes late is in no other place: the stored frame lacks it. */
  readonly #late = new Map<number, JsonObject>();
  readonly #recent = new Map<string, FramePayload[]>();
  #version = 0;
  readonly #completed = new WeakMap<FrameData, Completed>();

  /** Changes with each result. */
  get version(): number {
    return this.#version;
  }

  add(payload: FramePayload): void {
    const { plugin, index, data, side, every } = payload;
    if (side === undefined && every === undefined) return;
    this.#version += 1;
    this.#recent.set(plugin, [...(this.#recent.get(plugin) ?? []), payload].slice(-RECENT));
    if (side === undefined) return;
    this.#late.set(index, { ...this.#late.get(index), [plugin]: data });
    for (const oldest of this.#late.keys()) {
      if (this.#late.size <= MAX_FRAMES) return;
      this.#late.delete(oldest);
    }
  }

  /** The frame with the results that came late; the same object as long as there are no others. */
  completed(frame: FrameData): FrameData {
    const late = this.#late.get(frame.index);
    if (!late) return frame;
    const count = Object.keys(frame.results).length;
    const known = this.#completed.get(frame);
    if (known?.late === late && known.count === count) return known.frame;
    const completed = { ...frame, results: { ...late, ...frame.results } };
    this.#completed.set(frame, { late, count, frame: completed });
    return completed;
  }

  /** Of each of these plugins that has no result on this frame, the newest one before it, as if it were the frame's; null if there is none. */
  held(frame: FrameData): FrameData | null {
    const results: JsonObject = {};
    let payload: FramePayload | undefined;
    for (const [plugin, recent] of this.#recent) {
      const newest = plugin in frame.results ? undefined : recent.findLast(({ index }) => index < frame.index);
      if (!newest) continue;
      payload = newest;
      results[plugin] = newest.data;
    }
    return payload ? frameOf(payload, results) : null;
  }

  clear(): void {
    this.#late.clear();
    this.#recent.clear();
  }
}
