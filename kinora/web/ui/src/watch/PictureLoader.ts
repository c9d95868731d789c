/** Pictures of a job's frames: one request at a time, and of what was asked for meanwhile only the latest. */
import { frameUrl } from "../api/calls";
import { call, inWords } from "../api/http";

export interface Picture {
  index: number;
  /** Null when there is none to be had, for the reason in `fault`. */
  bitmap: ImageBitmap | null;
  fault: string | null;
}

export class PictureLoader {
  readonly #jobId: string;
  readonly #onPicture: (picture: Picture) => void;
  readonly #abort = new AbortController();
  #wanted: number | null = null;
  #busy = false;
  #last: number | null = null;

  constructor(jobId: string, onPicture: (picture: Picture) => void) {
    this.#jobId = jobId;
    this.#onPicture = onPicture;
  }

  want(index: number): void {
    if (index === this.#last) return;
    this.#wanted = index;
    if (!this.#busy) void this.#loadWanted();
  }

  /** A picture that came by itself; stands for one that would have been asked for. */
  async take(index: number, jpeg: Blob): Promise<void> {
    this.#last = index;
    await this.#show(index, () => Promise.resolve(jpeg));
  }

  stop(): void {
    this.#abort.abort();
  }

  async #loadWanted(): Promise<void> {
    this.#busy = true;
    while (this.#wanted !== null && !this.#abort.signal.aborted) {
      const index = this.#wanted;
      this.#wanted = null;
      this.#last = index;
      await this.#show(index, async () => (await call(frameUrl(this.#jobId, index), { signal: this.#abort.signal })).blob());
    }
    this.#busy = false;
  }

  async #show(index: number, load: () => Promise<Blob>): Promise<void> {
    try {
      const bitmap = await createImageBitmap(await load());
      if (this.#abort.signal.aborted) bitmap.close();
      else this.#onPicture({ index, bitmap, fault: null });
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#onPicture({ index, bitmap: null, fault: inWords(error) });
    }
  }
}
