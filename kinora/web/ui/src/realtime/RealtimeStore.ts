/** The state outside React: it changes with every message and tells its listeners once per animation frame. */
import type { FrameData } from "../api/types";
import type { BinaryPicture } from "./binaryPicture";
import { FrameBuffer } from "./FrameBuffer";
import type { RealtimeMessage } from "./messages";
import { paintScheduler } from "./paintScheduler";
import { reduce, type Action } from "./reducer";
import { SentPictures } from "./SentPictures";
import { INITIAL_STATE, type RealtimeState } from "./state";
import { TimingHistory } from "./TimingHistory";

export type Listener = () => void;

export class RealtimeStore {
  /** Of the watched job; drawn from, never rendered. */
  readonly frames = new FrameBuffer();
  readonly pictures = new SentPictures();
  readonly timings = new Map<string, TimingHistory>();
  readonly #listeners = new Set<Listener>();
  readonly #paint = paintScheduler(() => this.#tell());
  #state: RealtimeState = INITIAL_STATE;
  #shown: RealtimeState = INITIAL_STATE;

  /** As of the last animation frame: what listeners have been told. */
  readonly getState = (): RealtimeState => this.#shown;

  /** As of this moment. */
  get latest(): RealtimeState {
    return this.#state;
  }

  /** The newest frame of the watched job that all its plugins have done; null before the first. */
  newestFrame(): FrameData | null {
    const { job, framesDone } = this.#state;
    const stride = typeof job?.options.stride === "number" ? job.options.stride : 1;
    // Where none was dropped, the number of frames that are stored says which the last one is.
    const stored = job?.frames_dropped === 0 ? (framesDone - 1) * stride : Infinity;
    return this.frames.newest(performance.now(), stored);
  }

  readonly dispatch = (action: Action): void => {
    const before = this.#state;
    this.#state = reduce(before, action);
    if (this.#state.jobId !== before.jobId) this.#startAfresh();
    if (action.type === "message") this.#record(action.message);
    // Choosing a job is answered at once, like every other deed of the user.
    if (action.type === "watch") this.#tell();
    else if (this.#state !== before) this.#paint.request();
  };

  readonly addPicture = (picture: BinaryPicture): void => {
    if (picture.jobId !== this.#state.jobId) return;
    this.pictures.add(picture, performance.now());
    this.#paint.request();
  };

  readonly subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #startAfresh(): void {
    this.frames.clear();
    this.pictures.clear();
    this.timings.clear();
  }

  #record(message: RealtimeMessage): void {
    if (message.type !== "frame" || message.payload.job_id !== this.#state.jobId) return;
    const { plugin, index, timing_ms, queue_ms } = message.payload;
    this.frames.add(message.payload, performance.now());
    let history = this.timings.get(plugin);
    if (!history) this.timings.set(plugin, (history = new TimingHistory()));
    history.add(index, timing_ms, queue_ms);
  }

  #tell(): void {
    this.#paint.cancel();
    this.#shown = this.#state;
    for (const listener of this.#listeners) listener();
  }
}
