/** Jobs that the user has deleted: the server is told after ten seconds, and until then it can be undone. */
import { deleteJob } from "../api/calls";
import { inWords } from "../ui/inWords";

export const UNDO_MS = 10_000;

export interface Deletion {
  /** The jobs that will be deleted; empty if there are none. */
  ids: readonly string[];
  /** A sentence about a deletion that failed; null if none did. */
  error: string | null;
}

const NONE: Deletion = { ids: [], error: null };

/** One deletion at a time can be undone: a further one makes that before it final. */
export class Deletions {
  readonly #remove: (id: string, leaving: boolean) => Promise<void>;
  readonly #listeners = new Set<() => void>();
  #state = NONE;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(remove: (id: string, leaving: boolean) => Promise<void> = deleteJob) {
    this.#remove = remove;
  }

  readonly get = (): Deletion => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly request = (ids: readonly string[]): void => {
    this.finish();
    this.#become({ ids, error: null });
    this.#timer = setTimeout(() => this.finish(), UNDO_MS);
  };

  readonly undo = (): void => {
    clearTimeout(this.#timer);
    this.#become(NONE);
  };

  /** Delete for good what waits; `leaving` says that the page is about to close. */
  readonly finish = (leaving = false): void => {
    clearTimeout(this.#timer);
    const { ids } = this.#state;
    if (ids.length === 0) return this.#become(NONE);
    // They stay hidden until the server has answered, or they would show up once more.
    const told = Promise.allSettled(ids.map((id) => this.#remove(id, leaving)));
    void told.then((answers) => {
      const fault = answers.find((answer) => answer.status === "rejected");
      if (fault) this.#become({ ids: [], error: inWords(fault.reason) });
      else if (this.#state.ids === ids) this.#become(NONE);
    });
  };

  #become(state: Deletion): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

export const deletions = new Deletions();
