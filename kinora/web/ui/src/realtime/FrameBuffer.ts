/** The newest frames of a job, filled as the plugins' results come in; a bounded number of them. */
import type { FrameData, FramePayload } from "../api/generated";
import { frameOf } from "./frameOf";

const MAX_FRAMES = 240;
/** A plugin without a result for this long is not waited for. */
const PATIENCE_MS = 1000;

interface Reached {
  index: number;
  at: number;
}

export class FrameBuffer {
  readonly #frames = new Map<number, FrameData>();
  readonly #reached = new Map<string, Reached>();
  readonly #most: number;

  /** `most` is the number of frames that are kept; older ones go. */
  constructor(most = MAX_FRAMES) {
    this.#most = most;
  }

  /** Add a result; one of a plugin at the side, whose frame may be gone from here, is kept elsewhere. */
  add(payload: FramePayload, now: number): void {
    const { plugin, index } = payload;
    if (payload.side) return;
    const frame = this.#frames.get(index) ?? frameOf(payload, {});
    frame.results[plugin] = payload.data;
    this.#frames.set(index, frame);
    // Nobody waits for a plugin that has a result on few frames.
    if (payload.every === undefined) this.#reached.set(plugin, { index, at: now });
    this.#forgetOld();
  }

  get(index: number): FrameData | null {
    return this.#frames.get(index) ?? null;
  }

  /** The last `limit` frames before this index. */
  before(index: number, limit: number): FrameData[] {
    return [...this.#frames.values()].filter((frame) => frame.index < index).slice(-limit);
  }

  /** The newest frame up to index `last` with the results of all plugins that keep up; null if there is none. */
  newest(now: number, last: number): FrameData | null {
    const reached = [...this.#reached.values()];
    const lively = reached.filter(({ at }) => now - at < PATIENCE_MS).map(({ index }) => index);
    const limit = Math.min(last, lively.length > 0 ? Math.min(...lively) : Infinity);
    let newest: FrameData | null = null;
    for (const frame of this.#frames.values()) {
      if (frame.index <= limit && frame.index >= (newest?.index ?? 0)) newest = frame;
    }
    return newest;
  }

  clear(): void {
    this.#frames.clear();
    this.#reached.clear();
  }

  #forgetOld(): void {
    for (const index of this.#frames.keys()) {
      if (this.#frames.size <= this.#most) return;
      this.#frames.delete(index);
    }
  }
}
