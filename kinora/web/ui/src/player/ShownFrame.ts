/** The frame that is on the screen. */
import type { FrameData } from "../api/generated";

export class ShownFrame {
  readonly #listeners = new Set<() => void>();
  #frame: FrameData | null = null;

  readonly get = (): FrameData | null => this.#frame;

  set(frame: FrameData): void {
    if (frame === this.#frame) return;
    this.#frame = frame;
    for (const listener of this.#listeners) listener();
  }

  /** Resolves when a frame is on the screen, or after `patienceMs`. */
  appears(patienceMs: number): Promise<void> {
    if (this.#frame) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        leave();
        resolve();
      };
      const timer = setTimeout(done, patienceMs);
      const leave = this.subscribe(done);
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}
