/** Chooses the frame of a job to show: the newest one of a running job, or any stored one. */
import type { FrameData, PluginMetadata } from "../api/generated";
import { isEnded } from "../api/jobStates";
import { Picked } from "../draw/Picked";
import { PictureView } from "../draw/PictureView";
import type { BinaryPicture } from "../realtime/binaryPicture";
import { receivedAt } from "../realtime/outage";
import type { RealtimeStore } from "../realtime/RealtimeStore";
import { inWords } from "../ui/inWords";
import { EventLog } from "./EventLog";
import { FramePages } from "./FramePages";
import { nextMoment, type MomentKind } from "./Moments";
import type { Place } from "./parsePlace";
import { ShownFrame } from "./ShownFrame";
import { extendTimeline, Timeline } from "./Timeline";

export const MAX_SPEED = 16;
const EXTEND_MS = 1000;
/** The time for which loading a timeline leaves the connection and the processor to the first picture. */
const FIRST_PICTURE_MS = 1000;

export interface PlayerState {
  /** True if no frame was chosen: the newest one of a running job is shown, or one of an ended job. */
  following: boolean;
  playing: boolean;
  /** How many times faster than the video it plays; below 0 it plays backwards. */
  speed: number;
  /** True if playing begins again at the end. */
  loops: boolean;
  /** The index of the current frame, which the timeline may not have yet; -1 if there is none. */
  index: number;
  /** Increases when the timeline grows or a page of frames is loaded. */
  version: number;
  /** The reason why the timeline could not be loaded. */
  error: string | null;
}

export class Player {
  readonly jobId: string;
  readonly timeline = new Timeline();
  readonly pages: FramePages;
  readonly shown = new ShownFrame();
  readonly picked = new Picked();
  readonly events: EventLog;
  readonly view = new PictureView();
  readonly #store: RealtimeStore;
  readonly #listeners = new Set<() => void>();
  #state: PlayerState = { following: true, playing: false, speed: 1, loops: false, index: -1, version: 0, error: null };
  #abort = new AbortController();
  #leave: () => void = () => undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tick = 0;
  #clock = { wall: 0, video: 0 };
  #sawRunning = false;
  /** True if the timeline has every frame that the job will ever have. */
  #complete = false;

  constructor(jobId: string, store: RealtimeStore) {
    this.jobId = jobId;
    this.#store = store;
    this.events = new EventLog(jobId, store);
    this.pages = new FramePages(jobId, this.timeline, () => this.#become({ version: this.#state.version + 1 }));
  }

  readonly getState = (): PlayerState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  start(): void {
    this.#abort = new AbortController();
    this.#leave = this.#store.subscribe(this.#goOn);
    this.events.start();
    void this.#extend(this.#abort.signal);
  }

  stop(): void {
    this.#leave();
    this.events.stop();
    this.#abort.abort();
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#tick);
  }

  /** The index of the frame to show now, whose results may not be here yet; -1 if there is none. */
  get index(): number {
    if (!this.isLive) return this.#state.index;
    return this.#store.newestFrame()?.index ?? (this.timeline.length > 0 ? this.timeline.index(this.timeline.length - 1) : -1);
  }

  /** The newest picture that the server sent and whose results are here; null if none is sent or another frame is shown. */
  sentPicture(): BinaryPicture | null {
    const frame = this.isLive ? this.#store.newestFrame() : null;
    return frame && this.#store.pictures.newest(performance.now(), frame.index);
  }

  /** A frame with its results; null while they are being fetched. */
  frameAt(index: number): FrameData | null {
    const row = this.timeline.rowOf(index);
    const stored = this.timeline.index(row) === index ? this.pages.at(row) : null;
    const frame = stored ?? this.#store.frames.get(index);
    return frame && this.#store.sparse.completed(frame);
  }

  /** While the picture follows a job, the results of plugins that have none on this frame, of an earlier one; null if there are none. */
  heldFor(frame: FrameData): FrameData | null {
    return this.isLive ? this.#store.sparse.held(frame) : null;
  }

  /** Changes when `heldFor` may give other results. */
  get heldVersion(): number {
    return this.isLive ? this.#store.sparse.version : -1;
  }

  /** False if the source was live: its pictures are sent as they come, and none can be fetched. */
  get keepsPictures(): boolean {
    return !this.timeline.isLive && receivedAt(this.#store.newestFrame()) === null;
  }

  /** What the plugins say of themselves, by their names. */
  get metadata(): Readonly<Record<string, PluginMetadata>> {
    return this.#store.latest.metadata;
  }

  /** Those of the last `limit` frames before this one that are loaded, in order; missing stored ones are fetched. */
  framesBefore(index: number, limit: number): FrameData[] {
    if (this.isLive) return this.#store.frames.before(index, limit);
    const end = this.timeline.rowOf(index - 1) + 1;
    const start = Math.max(0, end - limit);
    return Array.from({ length: end - start }, (_, i) => this.pages.at(start + i) ?? []).flat();
  }

  /** The row of the current frame in the timeline; -1 if there is none. */
  get row(): number {
    return this.isLive ? this.timeline.length - 1 : this.timeline.rowOf(this.#state.index);
  }

  /** True once the timeline has all frames that there will ever be. */
  get isComplete(): boolean {
    return this.#complete;
  }

  /** True if the picture follows a job that is known to run. */
  get isLive(): boolean {
    return this.#state.following && this.#store.latest.job !== null && !this.#ended;
  }

  /** The index of the frame on the screen, which may lag behind the one to show. */
  get #seen(): number {
    return this.shown.get()?.index ?? this.#state.index;
  }

  get #ended(): boolean {
    const { job, jobs } = this.#store.latest;
    return isEnded(jobs[this.jobId]?.status ?? job?.status ?? "");
  }

  follow(): void {
    this.#halt();
    this.#become({ following: true, playing: false });
  }

  seek(row: number): void {
    this.seekIndex(this.#ended && !this.#complete ? this.timeline.expectedIndex(Math.max(0, row)) : this.timeline.index(this.#clamp(row)));
  }

  seekIndex(index: number): void {
    this.#halt();
    this.#become({ following: false, playing: false, index });
  }

  step(rows: number): void {
    this.seek(this.#seenRow + rows);
  }

  /** Go to the next frame of this kind, or the previous one. Return true if there is one. */
  leap(kind: MomentKind, direction: 1 | -1): boolean {
    const row = nextMoment(this.timeline, kind, this.#seenRow, direction, this.#markedRows(kind));
    if (row !== null) this.seek(row);
    return row !== null;
  }

  /** Go to the frame with this number or at this time, or to the last one before it. */
  goTo(place: Place): void {
    this.seekIndex(this.timeline.index(this.#clamp("frame" in place ? this.timeline.rowOf(place.frame) : this.timeline.rowAt(place.ms))));
  }

  setSpeed(speed: number): void {
    this.#become({ speed });
    if (this.#state.playing) this.#play();
  }

  setLoops(loops: boolean): void {
    this.#become({ loops });
  }

  /** Play in this direction; if it does so already, twice as fast. */
  shuttle(direction: 1 | -1): void {
    const { playing, speed } = this.#state;
    const faster = playing && Math.sign(speed) === direction;
    this.#become({ speed: direction * (faster ? Math.min(MAX_SPEED, 2 * Math.abs(speed)) : 1) });
    this.#play();
  }

  /** Stay on the visible frame. */
  freeze(): void {
    this.seekIndex(this.#seen);
  }

  /** Pause on the visible frame if the picture follows or plays; otherwise follow or play again. */
  toggle(): void {
    if (this.isLive || this.#state.playing) this.freeze();
    else if (!this.#ended && this.row >= this.timeline.length - 2) this.follow();
    else this.#play();
  }

  #play(): void {
    if (this.timeline.length === 0) return;
    const backwards = this.#state.speed < 0;
    const seen = Math.max(0, this.#seenRow);
    const isOver = backwards ? seen === 0 : seen >= this.timeline.length - 1;
    const row = isOver ? this.#beginning : seen;
    this.#halt();
    this.#clock = { wall: performance.now(), video: this.timeline.time(row) };
    this.#become({ following: false, playing: true, index: this.timeline.index(row) });
    this.#tick = requestAnimationFrame(this.#advance);
  }

  /** The row where playing begins again. */
  get #beginning(): number {
    return this.#state.speed < 0 ? this.timeline.length - 1 : 0;
  }

  readonly #advance = (now: number): void => {
    const { speed, loops } = this.#state;
    const time = this.#clock.video + speed * (now - this.#clock.wall);
    const before = this.row;
    const row = this.#rowAt(time, before);
    const over = speed < 0 ? row <= 0 : row >= this.timeline.length - 1;
    if (over && loops && row === before) {
      this.#clock = { wall: now, video: this.timeline.time(this.#beginning) };
      this.#become({ index: this.timeline.index(this.#beginning) });
    } else if (row !== before || over) {
      this.#become({ index: this.timeline.index(row), playing: !over || loops });
    }
    if (this.#state.playing) this.#tick = requestAnimationFrame(this.#advance);
  };

  /** The row that is shown at this time when playing from `row` on. */
  #rowAt(time: number, row: number): number {
    if (this.#state.speed < 0) {
      while (row > 0 && this.timeline.time(row) > time) row -= 1;
    } else {
      while (row + 1 < this.timeline.length && this.timeline.time(row + 1) <= time) row += 1;
    }
    return row;
  }

  get #seenRow(): number {
    return this.timeline.rowOf(this.isLive ? this.#seen : this.#state.index);
  }

  /** The rows that are of this kind by what was told of them. */
  #markedRows(kind: MomentKind): number[] {
    if (kind === "event") return this.events.get().list.flatMap(({ index }) => (index === null ? [] : this.timeline.rowOf(index)));
    return this.#store.latest.warningGroups.flatMap(({ frameIndex }) => (frameIndex === null ? [] : this.timeline.rowOf(frameIndex)));
  }

  #halt(): void {
    cancelAnimationFrame(this.#tick);
  }

  #clamp(row: number): number {
    return Math.min(this.timeline.length - 1, Math.max(0, row));
  }

  async #extend(signal: AbortSignal): Promise<void> {
    const ended = this.#ended;
    const firstPicture = this.shown.appears(FIRST_PICTURE_MS);
    let error: string | null = null;
    try {
      await extendTimeline(this.timeline, this.jobId, signal, () => {
        this.#grown();
        return firstPicture;
      });
    } catch (fault) {
      if (signal.aborted) return;
      error = inWords(fault);
    }
    this.#complete = ended && error === null;
    this.#become({ error });
    this.#grown();
    if (!this.#complete) this.#timer = setTimeout(() => void this.#extend(signal), EXTEND_MS);
  }

  /** Look for frames again if the job goes on after it was interrupted. */
  readonly #goOn = (): void => {
    if (!this.#complete || this.#ended) return;
    this.#complete = false;
    void this.#extend(this.#abort.signal);
  };

  #grown(): void {
    const { following, version, index } = this.#state;
    if (this.#store.latest.job && !this.#ended) this.#sawRunning = true;
    // A job that ended while it was followed stays at its end; one that had ended before is shown where something was found.
    const last = this.timeline.length - 1;
    const row = this.#sawRunning ? last : Math.min(last, firstFound(this.timeline));
    const at = following && row >= 0 ? this.timeline.index(row) : this.#nearest(index);
    this.#become({ version: version + 1, index: at });
  }

  /** The index itself if its frame is stored or may still come; else, as for a link to a frame that was left out, the one before it. */
  #nearest(index: number): number {
    const { length } = this.timeline;
    if (length === 0 || index < 0 || (!this.#complete && index > this.timeline.index(length - 1))) return index;
    return this.timeline.index(Math.max(0, this.timeline.rowOf(index)));
  }

  #become(change: Partial<PlayerState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

/** The first row with a detection; 0 if there is none. */
function firstFound(timeline: Timeline): number {
  for (let row = 0; row < timeline.length; row++) if (timeline.found(row) > 0) return row;
  return 0;
}
