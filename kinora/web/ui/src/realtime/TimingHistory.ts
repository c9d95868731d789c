/** The times of one plugin on its last frames. */
export const HISTORY_FRAMES = 120;

export interface TimingSample {
  index: number;
  runMs: number;
  queueMs: number;
}

export class TimingHistory {
  readonly #run = new Float32Array(HISTORY_FRAMES);
  readonly #queue = new Float32Array(HISTORY_FRAMES);
  readonly #index = new Float64Array(HISTORY_FRAMES);
  #count = 0;

  add(index: number, runMs: number, queueMs: number): void {
    const slot = this.#count % HISTORY_FRAMES;
    this.#run[slot] = runMs;
    this.#queue[slot] = queueMs;
    this.#index[slot] = index;
    this.#count += 1;
  }

  get length(): number {
    return Math.min(this.#count, HISTORY_FRAMES);
  }

  /** The sample `position` frames after the oldest one kept. */
  at(position: number): TimingSample {
    const slot = this.#count <= HISTORY_FRAMES ? position : (this.#count + position) % HISTORY_FRAMES;
    return { index: this.#index[slot] ?? 0, runMs: this.#run[slot] ?? 0, queueMs: this.#queue[slot] ?? 0 };
  }

  /** The run time within which `share` (0 to 1) of the kept frames were done; null without frames. */
  percentile(share: number): number | null {
    if (this.length === 0) return null;
    const sorted = this.#run.slice(0, this.length).sort();
    return sorted[Math.min(this.length - 1, Math.ceil(share * this.length) - 1)] ?? null;
  }
}
