/** The pictures and results of the jobs whose tiles are in view, on one connection; there is none while no tile is. */
import type { RealtimeMessage } from "../api/generated";
import type { BinaryPicture } from "../realtime/binaryPicture";
import type { ClientOptions, Filters, RealtimeClient } from "../realtime/RealtimeClient";
import { paceOf } from "./pace";
import type { TileFrames } from "./TileFrames";

/** The most tiles with pictures; the ones that came into view first have them. */
const MAX_TILES = 40;

type Handlers = Pick<ClientOptions, "onMessage" | "onPicture" | "onState">;

export class WallFeed {
  readonly #newClient: (handlers: Handlers) => RealtimeClient;
  readonly #tiles = new Map<string, TileFrames>();
  #client: RealtimeClient | null = null;
  #choosing = false;

  constructor(newClient: (handlers: Handlers) => RealtimeClient) {
    this.#newClient = newClient;
  }

  /** Send this job's pictures to `tile` until the returned function is called. */
  show(jobId: string, tile: TileFrames): () => void {
    this.#tiles.set(jobId, tile);
    this.#chooseSoon();
    return () => {
      if (this.#tiles.get(jobId) === tile) this.#tiles.delete(jobId);
      this.#chooseSoon();
    };
  }

  /** Choose once for all tiles that come and go at the same time. */
  #chooseSoon(): void {
    if (this.#choosing) return;
    this.#choosing = true;
    queueMicrotask(() => {
      this.#choosing = false;
      this.#choose();
    });
  }

  #choose(): void {
    if (this.#tiles.size === 0) {
      this.#client?.close();
      this.#client = null;
    } else if (this.#client) {
      this.#client.subscribe(this.#filters());
    } else {
      this.#client = this.#newClient({ onMessage: this.#onMessage, onPicture: this.#onPicture, onState: ({ state }) => state === "CONNECTED" && this.#again() });
      this.#client.subscribe(this.#filters());
      this.#client.connect();
    }
  }

  /** The tiles may have changed while the connection was being made. */
  #again(): void {
    if (this.#tiles.size > 0) this.#client?.subscribe(this.#filters());
  }

  #filters(): Filters {
    const jobs = [...this.#tiles.keys()].slice(0, MAX_TILES);
    return { job_id: jobs, types: ["frame"], max_fps: paceOf(jobs.length), images: "binary" };
  }

  readonly #onMessage = (message: RealtimeMessage): void => {
    if (message.type === "frame") this.#tiles.get(message.payload.job_id)?.addFrame(message.payload);
  };

  readonly #onPicture = (picture: BinaryPicture): void => this.#tiles.get(picture.jobId)?.addPicture(picture);
}
