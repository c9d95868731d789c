/** The newest pictures of the watched job that the server has sent; a bounded number of them. */
import type { BinaryPicture } from "./binaryPicture";

/** The most pictures that wait for their frames' results, which come later. */
const MAX_PICTURES = 60;
/** If none has come for this long, the server is taken to send none. */
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

  /** The newest picture up to index `last`; null if there is none, or the server sends none now. */
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
