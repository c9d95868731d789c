/** Measures how fast a count of frames grows. */

const WINDOW_MS = 6000;

export class RateMeter {
  #samples: { at: number; frames: number }[] = [];

  /** Add the count at this time, in milliseconds, and return the frames per second of the last seconds; null at the first. */
  add(at: number, frames: number): number | null {
    this.#samples = [...this.#samples.filter((sample) => at - sample.at <= WINDOW_MS), { at, frames }];
    const first = this.#samples[0];
    if (!first || first.at === at) return null;
    return Math.max(0, (1000 * (frames - first.frames)) / (at - first.at));
  }
}
