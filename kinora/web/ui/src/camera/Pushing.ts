/** Sends this browser's camera to a job; goes on while other views of the page are shown. */
import { at } from "../api/base";
import { getExtended } from "../api/calls";
import { ApiError } from "../api/http";
import { isEnded } from "../api/jobStates";
import { viewOptions } from "../draw/viewOptions";
import { browserCamera } from "./BrowserCamera";
import { FRESH, PushClient, type PushState } from "./PushClient";

export interface Pushed extends PushState {
  jobId: string;
}

class Pushing {
  readonly #listeners = new Set<() => void>();
  #client: PushClient | null = null;
  #pushed: Pushed | null = null;

  constructor() {
    browserCamera.subscribe(() => {
      if (browserCamera.get().step === "refused") this.#client?.end();
    });
  }

  readonly get = (): Pushed | null => this.#pushed;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** True while a job gets this browser's camera. */
  get isOn(): boolean {
    return this.#pushed !== null && this.#pushed.step !== "over";
  }

  /** Send the camera, which is on, to this job; what was sent to another one ends. */
  start(jobId: string): void {
    this.#client?.end();
    const client: PushClient = new PushClient({
      url: pushUrl(jobId),
      take: () => browserCamera.take(),
      fps: () => viewOptions.get().fps,
      isOver: () => isOver(jobId),
      onState: (state) => client === this.#client && this.#become({ ...state, jobId }),
    });
    this.#client = client;
    this.#become({ ...FRESH, jobId });
  }

  /** End the job's stream, and turn the camera off. */
  readonly stop = (): void => this.#client?.end();

  /** Say no more of a stream that is over. */
  readonly forget = (): void => {
    if (!this.isOn) this.#become(null);
  };

  #become(pushed: Pushed | null): void {
    this.#pushed = pushed?.step === "over" && pushed.fault === null ? null : pushed;
    if (pushed?.step === "over") {
      this.#client = null;
      browserCamera.close();
    }
    for (const listener of this.#listeners) listener();
  }
}

function pushUrl(jobId: string): string {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${location.host}${at(`/v1/jobs/${encodeURIComponent(jobId)}/push`)}`;
}

async function isOver(jobId: string): Promise<boolean> {
  try {
    return isEnded((await getExtended(jobId)).status);
  } catch (fault) {
    return fault instanceof ApiError && fault.status === 404;
  }
}

export const pushing = new Pushing();
