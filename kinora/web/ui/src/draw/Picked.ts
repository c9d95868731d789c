/** The detection under the pointer and the chosen one. A track stays chosen from frame to frame. */
import type { Detection } from "./detections";

export interface Mark {
  plugin: string;
  at: number;
  trackId: number | null;
  /** The index of the frame. */
  frame: number;
}

export interface Picks {
  hovered: Mark | null;
  chosen: Mark | null;
}

export class Picked {
  readonly #listeners = new Set<() => void>();
  #picks: Picks = { hovered: null, chosen: null };

  readonly get = (): Picks => this.#picks;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  hover(mark: Mark | null): void {
    if (isSame(mark, this.#picks.hovered)) return;
    this.#become({ ...this.#picks, hovered: mark });
  }

  /** Choose a detection; the chosen one is left again. */
  choose(mark: Mark | null): void {
    this.#become({ ...this.#picks, chosen: isSame(mark, this.#picks.chosen) ? null : mark });
  }

  #become(picks: Picks): void {
    this.#picks = picks;
    for (const listener of this.#listeners) listener();
  }
}

export function markOf({ plugin, at, trackId }: Detection, frame: number): Mark {
  return { plugin, at, trackId, frame };
}

/** True if the mark is of this detection, or of the same track on another frame. */
export function isMarked(mark: Mark | null, detection: Detection, frame: number): boolean {
  return isSame(mark, markOf(detection, frame)) && mark !== null;
}

function isSame(a: Mark | null, b: Mark | null): boolean {
  if (a === null || b === null) return a === b;
  if (a.plugin !== b.plugin || a.trackId !== b.trackId) return false;
  return a.trackId !== null || (a.at === b.at && a.frame === b.frame);
}
