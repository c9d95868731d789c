/** The newest events of the watched job as messages told them. */
import type { EventPayload } from "../api/generated";

/** The most events that are kept until they are listed; the oldest go first, and are fetched from the server instead. */
const MAX_TOLD = 1000;

export class ToldEvents {
  #events: EventPayload[] = [];

  add(event: EventPayload): void {
    this.#events.push(event);
    if (this.#events.length > MAX_TOLD) this.#events = this.#events.slice(-MAX_TOLD / 2);
  }

  /** Those with higher numbers than this, in order. */
  after(number: number): EventPayload[] {
    return this.#events.filter((event) => event.number > number);
  }

  clear(): void {
    this.#events = [];
  }
}
