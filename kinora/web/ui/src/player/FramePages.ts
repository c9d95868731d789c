/** The frames of a job by row, fetched a page at a time; the least recently used pages are dropped. */
import { getFrames } from "../api/calls";
import type { FrameData } from "../api/generated";
import type { Timeline } from "./Timeline";

const PAGE = 100;
/** More than a sorted table has rows in view, each of which may be on another page. */
const MAX_PAGES = 60;
/** The most pages fetched at once; others are fetched when they are asked for again, after one has arrived. */
const MAX_LOADING = 6;

export class FramePages {
  readonly #jobId: string;
  readonly #timeline: Timeline;
  readonly #onLoaded: () => void;
  readonly #pages = new Map<number, FrameData[]>();
  readonly #loading = new Set<number>();

  constructor(jobId: string, timeline: Timeline, onLoaded: () => void) {
    this.#jobId = jobId;
    this.#timeline = timeline;
    this.#onLoaded = onLoaded;
  }

  /** The frame in this row if it is here; nothing is fetched. */
  peek(row: number): FrameData | null {
    return this.#pages.get(Math.floor(row / PAGE))?.[row % PAGE] ?? null;
  }

  /** The frame in this row; null while it is being fetched. */
  at(row: number): FrameData | null {
    if (row < 0 || row >= this.#timeline.length) return null;
    const number = Math.floor(row / PAGE);
    const page = this.#pages.get(number);
    const frame = page?.[row % PAGE];
    if (page && frame) {
      this.#pages.delete(number); // inserted again below, as the most recently used
      this.#pages.set(number, page);
      return frame;
    }
    void this.#load(number);
    return null;
  }

  async #load(number: number): Promise<void> {
    if (this.#loading.has(number) || this.#loading.size >= MAX_LOADING) return;
    this.#loading.add(number);
    try {
      const after = number === 0 ? -1 : this.#timeline.index(number * PAGE - 1);
      this.#pages.set(number, (await getFrames(this.#jobId, after, PAGE)).frames);
      for (const oldest of this.#pages.keys()) {
        if (this.#pages.size <= MAX_PAGES) break;
        this.#pages.delete(oldest);
      }
    } catch {
      // It is fetched again the next time it is needed.
      this.#loading.delete(number);
      return;
    }
    this.#loading.delete(number);
    this.#onLoaded();
  }
}
