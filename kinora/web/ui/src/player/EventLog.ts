/** The events of a job: those that the server has stored, then those that messages tell. */
import { getEvents } from "../api/calls";
import type { EventPayload } from "../api/generated";
import type { RealtimeStore } from "../realtime/RealtimeStore";
import { inWords } from "../ui/inWords";

/** The most events that the page lists; the oldest go first, and stay with the server. */
export const MAX_EVENTS = 20_000;
/** The most characters of what the listed events say, their data as JSON; with more, the oldest events go. */
export const MAX_CHARACTERS = 16_000_000;
const PAGE = 1000;

export interface Events {
  /** In the order of their numbers. */
  list: readonly EventPayload[];
  /** The number of older ones that are not in the list. */
  leftOut: number;
  /** The reason why they could not be loaded; they are loaded again with the job's next state. */
  error: string | null;
}

export class EventLog {
  readonly #jobId: string;
  readonly #store: RealtimeStore;
  readonly #listeners = new Set<() => void>();
  /** The characters of each event in the list. */
  #sizes: readonly number[] = [];
  #events: Events = { list: [], leftOut: 0, error: null };
  #abort = new AbortController();
  #leave: () => void = () => undefined;
  #job: object | null = null;
  #loading = false;

  constructor(jobId: string, store: RealtimeStore) {
    this.#jobId = jobId;
    this.#store = store;
  }

  readonly get = (): Events => this.#events;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  start(): void {
    this.#abort = new AbortController();
    this.#job = null;
    this.#loading = false;
    this.#leave = this.#store.subscribe(this.#goOn);
    this.#goOn();
  }

  stop(): void {
    this.#leave();
    this.#abort.abort();
  }

  get #last(): number {
    return this.#events.list.at(-1)?.number ?? 0;
  }

  /** Take what was told meanwhile. Fetch what is missing, and all that is new whenever the job's state was fetched. */
  readonly #goOn = (): void => {
    const { job, jobId } = this.#store.latest;
    if (jobId !== this.#jobId || job === null || this.#loading) return;
    const fresh = job !== this.#job;
    this.#job = job;
    const told = this.#store.told.after(this.#last);
    const missing = told[0] !== undefined && told[0].number > this.#last + 1;
    // A server that cannot tell them is asked again with the job's next state only.
    if (fresh || (missing && this.#events.error === null)) void this.#load(this.#abort.signal);
    else if (told.length > 0 && !missing) this.#add(told);
  };

  async #load(signal: AbortSignal): Promise<void> {
    this.#loading = true;
    try {
      for (let next: number | null = this.#last; next !== null;) {
        const page = await getEvents(this.#jobId, next, PAGE, signal);
        if (page.events.length > 0 || this.#events.error !== null) this.#add(page.events);
        ({ next } = page);
      }
    } catch (fault) {
      if (!signal.aborted) this.#become({ ...this.#events, error: inWords(fault) });
    }
    if (signal.aborted) return;
    this.#loading = false;
    // What was told meanwhile, also if the server could not be asked.
    const told = this.#store.told.after(this.#last);
    if (told[0]?.number === this.#last + 1) this.#add(told);
  }

  #add(more: readonly EventPayload[]): void {
    const all = [...this.#events.list, ...more];
    const sizes = [...this.#sizes, ...more.map(sizeOf)];
    const kept = roomFor(sizes);
    const gone = all.length - kept;
    this.#sizes = sizes.slice(gone);
    this.#become({ list: all.slice(gone), leftOut: this.#events.leftOut + gone, error: null });
  }

  #become(events: Events): void {
    this.#events = events;
    for (const listener of this.#listeners) listener();
  }
}

function sizeOf({ message, data }: EventPayload): number {
  return message.length + JSON.stringify(data).length;
}

/** How many of the last events of these sizes may be listed. */
function roomFor(sizes: readonly number[]): number {
  const most = Math.min(sizes.length, MAX_EVENTS);
  let characters = 0;
  for (let kept = 0; kept < most; kept++) {
    characters += sizes.at(-1 - kept) ?? 0;
    if (characters > MAX_CHARACTERS) return kept;
  }
  return most;
}
