/** Keeps the full state of the watched job up to date: it asks every second without realtime, less often with it. */
import { getExtended } from "../api/calls";
import { ApiError } from "../api/http";
import { isEnded } from "../api/jobStates";
import { inWords } from "../ui/inWords";
import type { RealtimeStore } from "./RealtimeStore";

const POLLING_MS = 1000;
const BESIDE_REALTIME_MS = 2000;
const ENDED_MS = 30_000;

export class JobPoller {
  readonly #store: RealtimeStore;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #abort: AbortController | null = null;
  #stopped = true;

  constructor(store: RealtimeStore) {
    this.#store = store;
  }

  start(): void {
    this.#stopped = false;
    this.poke();
  }

  /** Ask now, and regularly from now on. */
  readonly poke = (): void => {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#abort?.abort();
    void this.#ask(this.#store.latest.jobId);
  };

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#abort?.abort();
  }

  async #ask(jobId: string | null): Promise<void> {
    if (jobId === null) return;
    const abort = new AbortController();
    this.#abort = abort;
    try {
      this.#store.dispatch({ type: "job", job: await getExtended(jobId, abort.signal) });
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#tell(jobId, error);
      if (isGone(error)) return;
    }
    if (!this.#stopped) this.#timer = setTimeout(this.poke, this.#pauseMs());
  }

  #tell(jobId: string, error: unknown): void {
    if (!(error instanceof ApiError)) return;
    if (error.status === 0) this.#store.dispatch({ type: "unanswered" });
    else if (isGone(error)) this.#store.dispatch({ type: "unknown", jobId });
    else this.#store.dispatch({ type: "error", message: inWords(error) });
  }

  #pauseMs(): number {
    const { polling, job } = this.#store.latest;
    if (job && isEnded(job.status)) return ENDED_MS;
    return polling ? POLLING_MS : BESIDE_REALTIME_MS;
  }
}

const isGone = (error: unknown) => error instanceof ApiError && error.status === 404;
