/** The state outside React: it changes with every message, and tells at most once per animation frame. */
import type { FrameData, RealtimeMessage } from "../api/generated";
import type { BinaryPicture } from "./binaryPicture";
import { FrameBuffer } from "./FrameBuffer";
import { paintScheduler } from "./paintScheduler";
import { reduce, type Action } from "./reducer";
import { SentPictures } from "./SentPictures";
import { INITIAL_STATE, type RealtimeState } from "./state";
import { TimingHistory } from "./TimingHistory";

/** Nobody reads words and figures that change more often, and the picture needs the processor. */
const WORDS_MS = 100;

export type Listener = () => void;

export class RealtimeStore {
  /** Of the watched job; drawn from, never rendered. */
  readonly frames = new FrameBuffer();
  readonly pictures = new SentPictures();
  readonly timings = new Map<string, TimingHistory>();
  readonly #readers = new Set<Listener>();
  readonly #painters = new Set<Listener>();
  readonly #words = paintScheduler(() => this.#tell(), WORDS_MS);
  readonly #pictures = paintScheduler(() => callAll(this.#painters));
  #state: RealtimeState = INITIAL_STATE;
  #shown: RealtimeState = INITIAL_STATE;

  /** As of when those who read it were last told. */
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
    else if (this.#state !== before) this.#words.request();
    if (this.#state !== before) this.#pictures.request();
  };

  readonly addPicture = (picture: BinaryPicture): void => {
    if (picture.jobId !== this.#state.jobId) return;
    this.pictures.add(picture, performance.now());
    this.#pictures.request();
  };

  /** For what is read: some times a second, with the state as of then. */
  readonly subscribe = (listener: Listener): (() => void) => {
    this.#readers.add(listener);
    return () => this.#readers.delete(listener);
  };

  /** For what is drawn: in each animation frame that has something new. */
  readonly subscribeToFrames = (listener: Listener): (() => void) => {
    this.#painters.add(listener);
    return () => this.#painters.delete(listener);
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
    this.#words.cancel();
    this.#shown = this.#state;
    callAll(this.#readers);
  }
}

function callAll(listeners: Iterable<Listener>): void {
  for (const listener of listeners) listener();
}
