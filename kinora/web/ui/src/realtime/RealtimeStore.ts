/** The state outside React. It changes with every message, and tells listeners at most once per animation frame. */
import type { FrameData, RealtimeMessage } from "../api/generated";
import type { BinaryPicture } from "./binaryPicture";
import { FrameBuffer } from "./FrameBuffer";
import { paintScheduler } from "./paintScheduler";
import { reduce, type Action } from "./reducer";
import { SentPictures } from "./SentPictures";
import { SparseResults } from "./SparseResults";
import { INITIAL_STATE, type RealtimeState } from "./state";
import { TimingHistory } from "./TimingHistory";
import { ToldEvents } from "./ToldEvents";

/** Words and figures that change more often cannot be read, and the picture needs the processor. */
const WORDS_MS = 100;

export type Listener = () => void;

export class RealtimeStore {
  /** The watched job's frames; they are drawn, never rendered. */
  readonly frames = new FrameBuffer();
  readonly sparse = new SparseResults();
  readonly pictures = new SentPictures();
  readonly told = new ToldEvents();
  readonly timings = new Map<string, TimingHistory>();
  readonly #readers = new Set<Listener>();
  readonly #painters = new Set<Listener>();
  readonly #words = paintScheduler(() => this.#tell(), WORDS_MS);
  readonly #pictures = paintScheduler(() => callAll(this.#painters));
  #state: RealtimeState = INITIAL_STATE;
  #shown: RealtimeState = INITIAL_STATE;

  /** The state as of the last time that subscribers were told. */
  readonly getState = (): RealtimeState => this.#shown;

  /** The state as of now. */
  get latest(): RealtimeState {
    return this.#state;
  }

  /** The newest frame of the watched job with the results of all plugins that keep up; null before the first. */
  newestFrame(): FrameData | null {
    const { job, framesDone } = this.#state;
    const stride = typeof job?.options.stride === "number" ? job.options.stride : 1;
    // If none was dropped, the number of stored frames gives the index of the last one.
    const stored = job?.frames_dropped === 0 ? (framesDone - 1) * stride : Infinity;
    return this.frames.newest(performance.now(), stored);
  }

  readonly dispatch = (action: Action): void => {
    const before = this.#state;
    this.#state = reduce(before, action);
    if (this.#state.jobId !== before.jobId) this.#startAfresh();
    if (action.type === "message") this.#record(action.message);
    // The user's choice of a job shows at once.
    if (action.type === "watch") this.#tell();
    else if (this.#state !== before) this.#words.request();
    if (this.#state !== before) this.#pictures.request();
  };

  readonly addPicture = (picture: BinaryPicture): void => {
    if (picture.jobId !== this.#state.jobId) return;
    this.pictures.add(picture, performance.now());
    this.#pictures.request();
  };

  /** Subscribe for text: called up to ten times a second, when `getState` has changed. */
  readonly subscribe = (listener: Listener): (() => void) => {
    this.#readers.add(listener);
    return () => this.#readers.delete(listener);
  };

  /** Subscribe for drawing: called in each animation frame that has something new. */
  readonly subscribeToFrames = (listener: Listener): (() => void) => {
    this.#painters.add(listener);
    return () => this.#painters.delete(listener);
  };

  #startAfresh(): void {
    this.frames.clear();
    this.sparse.clear();
    this.pictures.clear();
    this.told.clear();
    this.timings.clear();
  }

  #record(message: RealtimeMessage): void {
    if (message.type === "event" && message.payload.job_id === this.#state.jobId) this.told.add(message.payload);
    if (message.type !== "frame" || message.payload.job_id !== this.#state.jobId) return;
    const { plugin, index, timing_ms, queue_ms } = message.payload;
    this.frames.add(message.payload, performance.now());
    this.sparse.add(message.payload);
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
