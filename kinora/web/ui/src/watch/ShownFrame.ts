/** Which frame the painter has on the screen. */
import type { FrameData } from "../api/types";

export class ShownFrame {
  readonly #listeners = new Set<() => void>();
  #frame: FrameData | null = null;

  readonly get = (): FrameData | null => this.#frame;

  set(frame: FrameData | null): void {
    if (frame === this.#frame) return;
    this.#frame = frame;
    for (const listener of this.#listeners) listener();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}
