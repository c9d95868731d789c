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

  /** The mean of the kept frames' times, and the times within which half and 95% of them are; all 0 without frames. */
  figures(of: "runMs" | "queueMs"): { mean: number; p50: number; p95: number } {
    const kept = (of === "runMs" ? this.#run : this.#queue).slice(0, this.length).sort();
    const within = (share: number) => kept[Math.min(kept.length - 1, Math.ceil(share * kept.length) - 1)] ?? 0;
    const sum = kept.reduce((total, value) => total + value, 0);
    return { mean: sum / Math.max(1, kept.length), p50: within(0.5), p95: within(0.95) };
  }
}
