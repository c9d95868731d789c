/** The frames, pictures and events of a running job, on a connection of their own, which has a pace of its own. */
import type { RealtimeClient } from "./RealtimeClient";

export class FrameFeed {
  readonly #newClient: () => RealtimeClient;
  #client: RealtimeClient | null = null;
  #jobId: string | null = null;
  #maxFps = 30;

  constructor(newClient: () => RealtimeClient) {
    this.#newClient = newClient;
  }

  /** Receive the frames and events of this job only; null for none. */
  follow(jobId: string | null): void {
    if (jobId === this.#jobId) return;
    this.#client?.close();
    this.#jobId = jobId;
    this.#client = jobId === null ? null : this.#newClient();
    this.#choose();
    this.#client?.connect();
  }

  /** Set the most frames per second. */
  setPace(maxFps: number): void {
    this.#maxFps = maxFps;
    this.#choose();
  }

  #choose(): void {
    if (this.#jobId === null) return;
    this.#client?.subscribe({ job_id: [this.#jobId], types: ["frame", "event"], max_fps: this.#maxFps, images: "binary" });
  }
}
