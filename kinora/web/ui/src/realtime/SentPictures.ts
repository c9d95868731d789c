/** The newest pictures of the watched job that the server has sent by itself; their number is bounded. */
import type { BinaryPicture } from "./binaryPicture";

/** A picture comes before its frame's results: so many may wait for theirs. */
const MAX_PICTURES = 60;
/** When none has come for so long, none is counted on. */
const PATIENCE_MS = 1000;

export class SentPictures {
  readonly #pictures = new Map<number, BinaryPicture>();
  #lastAt = -Infinity;

  add(picture: BinaryPicture, now: number): void {
    this.#pictures.set(picture.index, picture);
    this.#lastAt = now;
    for (const index of this.#pictures.keys()) {
      if (this.#pictures.size <= MAX_PICTURES) break;
      this.#pictures.delete(index);
    }
  }

  /** The newest one up to the index `last`; null if there is none, or none has come of late. */
  newest(now: number, last: number): BinaryPicture | null {
    if (now - this.#lastAt > PATIENCE_MS) return null;
    let newest: BinaryPicture | null = null;
    for (const picture of this.#pictures.values()) {
      if (picture.index <= last && picture.index >= (newest?.index ?? 0)) newest = picture;
    }
    return newest;
  }

  clear(): void {
    this.#pictures.clear();
    this.#lastAt = -Infinity;
  }
}
