/** A list of numbers that grows at its end, in a few bytes each. */
export class Growing<T extends Int32Array | Float32Array | Float64Array | Uint16Array | Uint8Array> {
  readonly #make: (size: number) => T;
  #values: T;
  #length = 0;

  constructor(make: (size: number) => T, size = 1024) {
    this.#make = make;
    this.#values = make(size);
  }

  get length(): number {
    return this.#length;
  }

  /** The value at this place; 0 beyond the end. */
  at(place: number): number {
    return this.#values[place] ?? 0;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = this.#make(2 * this.#length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }
}
