/** The words by which each frame can be found: classes, texts and tracks. Each word is kept once. */
import type { FrameData } from "../api/generated";
import { allDetections, isCut } from "../draw/detections";
import { allClasses } from "../draw/shapes";
import { Growing } from "./Growing";

/** The most different words; frames are not found by those that appear after them. */
const MAX_WORDS = 50_000;

export class RowWords {
  readonly #numbers = new Map<string, number>();
  readonly #ofRows = new Growing((size) => new Int32Array(size));
  readonly #ends = new Growing((size) => new Int32Array(size));

  /** Add the words of the next row. */
  add(frame: FrameData): void {
    for (const word of wordsOf(frame)) {
      const number = this.#numberOf(word);
      if (number !== null) this.#ofRows.push(number);
    }
    this.#ends.push(this.#ofRows.length);
  }

  /** A test that tells of a row whether one of its words contains `part`, in any case. */
  finder(part: string): (row: number) => boolean {
    const wanted = part.toLowerCase();
    const matches = new Uint8Array(this.#numbers.size);
    for (const [word, number] of this.#numbers) matches[number] = word.includes(wanted) ? 1 : 0;
    return (row) => {
      const end = this.#ends.at(row);
      for (let place = row === 0 ? 0 : this.#ends.at(row - 1); place < end; place++) {
        if (matches[this.#ofRows.at(place)] === 1) return true;
      }
      return false;
    };
  }

  #numberOf(word: string): number | null {
    const known = this.#numbers.get(word);
    if (known !== undefined) return known;
    if (this.#numbers.size >= MAX_WORDS) return null;
    this.#numbers.set(word, this.#numbers.size);
    return this.#numbers.size - 1;
  }
}

function wordsOf(frame: FrameData): Set<string> {
  const words = new Set<string>();
  for (const { kind, trackId, text } of allDetections(frame)) {
    words.add(kind.toLowerCase());
    if (trackId !== null) words.add(`#${trackId}`);
    if (text !== null) words.add(text.toLowerCase());
  }
  for (const { kind } of allClasses(frame)) words.add(kind.toLowerCase());
  if (isCut(frame)) words.add("cut");
  return words;
}
