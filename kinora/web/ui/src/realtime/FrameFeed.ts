/** The frames of a running job and their pictures, on a connection of their own: it has their pace and ends with them. */
import type { RealtimeClient } from "./RealtimeClient";

export class FrameFeed {
  readonly #newClient: () => RealtimeClient;
  #client: RealtimeClient | null = null;
  #jobId: string | null = null;
  #maxFps = 30;

  constructor(newClient: () => RealtimeClient) {
    this.#newClient = newClient;
  }

  /** Get the frames of this job and of no other; null for none. */
  follow(jobId: string | null): void {
    if (jobId === this.#jobId) return;
    this.#client?.close();
    this.#jobId = jobId;
    this.#client = jobId === null ? null : this.#newClient();
    this.#choose();
    this.#client?.connect();
  }

  /** At most so many frames a second. */
  setPace(maxFps: number): void {
    this.#maxFps = maxFps;
    this.#choose();
  }

  #choose(): void {
    if (this.#jobId === null) return;
    this.#client?.subscribe({ job_id: [this.#jobId], types: ["frame"], max_fps: this.#maxFps, images: "binary" });
  }
}
