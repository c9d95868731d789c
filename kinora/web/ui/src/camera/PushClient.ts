/** Sends pictures to a job over a WebSocket at a pace; comes back when it is cut off. */

/** The part of a WebSocket that is used here. */
export type PushSocket = Pick<WebSocket, "bufferedAmount" | "readyState" | "send" | "close" | "onopen" | "onmessage" | "onclose">;

export interface PushState {
  /** `lost` while the connection is being made again; `over` once no picture will be sent any more. */
  step: "connecting" | "sending" | "lost" | "ending" | "over";
  sent: number;
  /** The pictures that were left out as the network was too slow for them. */
  skipped: number;
  /** The pictures that the server has dropped for newer ones. */
  dropped: number;
  /** Why it is over, or what the server says of a picture that it does not take; null if all is well. */
  fault: string | null;
}

export const FRESH: PushState = { step: "connecting", sent: 0, skipped: 0, dropped: 0, fault: null };

export interface PushOptions {
  /** `ws://…/v1/jobs/ID/push`. */
  url: string;
  /** The next picture; null if there is none now. */
  take: () => Promise<Blob | null>;
  /** The most pictures per second, asked for before each. */
  fps: () => number;
  /** True if the job takes no more pictures; asked after a connection that could not be made. */
  isOver: () => Promise<boolean>;
  onState: (state: PushState) => void;
  openSocket?: (url: string) => PushSocket;
}

/** The most bytes that wait in the browser; while there are more, pictures are left out, so that the newest goes next. */
const MAX_WAITING = 512 * 1024;
/** The server waits for so long for one that was cut off. */
const GRACE_MS = 30_000;
const RETRY_MS = 1000;
/** The time for the server's goodbye. */
const GOODBYE_MS = 3000;
const UNREACHABLE = "The server could not be reached for 30 s: start another job once it can.";
const OPEN = 1;
const [NORMAL, NOT_ALLOWED] = [1000, 1008];
const REFUSED: Readonly<Record<number, string>> = {
  4002: "Another client sends pictures to this job now.",
  4003: "Another client sends pictures to this job: stop that one first.",
};

export class PushClient {
  readonly #options: PushOptions;
  #state = FRESH;
  #socket: PushSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #lostAt = Date.now();

  constructor(options: PushOptions) {
    this.#options = options;
    this.#open();
  }

  /** Say that there are no more pictures, and close once the server has taken the last. */
  end(): void {
    clearTimeout(this.#timer);
    if (this.#state.step !== "sending") {
      this.#over(null);
      return;
    }
    this.#socket?.send(JSON.stringify({ type: "end" }));
    this.#become({ step: "ending" });
    this.#retry = setTimeout(() => this.#over(null), GOODBYE_MS);
  }

  #open(): void {
    const socket = (this.#options.openSocket ?? ((url) => new WebSocket(url)))(this.#options.url);
    socket.onopen = () => {
      this.#become({ step: "sending", fault: null });
      void this.#send();
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    this.#socket = socket;
  }

  async #send(): Promise<void> {
    const began = performance.now();
    const socket = this.#socket;
    if (this.#state.step !== "sending" || socket?.readyState !== OPEN) return;
    if (socket.bufferedAmount > MAX_WAITING) this.#become({ skipped: this.#state.skipped + 1 });
    else await this.#sendNext(socket);
    const pause = 1000 / this.#options.fps() - (performance.now() - began);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#send(), Math.max(0, pause));
  }

  async #sendNext(socket: PushSocket): Promise<void> {
    const picture = await this.#options.take();
    if (!picture || socket.readyState !== OPEN || this.#state.step !== "sending") return;
    socket.send(picture);
    this.#become({ sent: this.#state.sent + 1 });
  }

  #receive(data: unknown): void {
    const message = typeof data === "string" ? parse(data) : null;
    if (message?.type === "ack" && typeof message.dropped === "number") this.#become({ dropped: message.dropped });
    if (message?.type === "error" && typeof message.message === "string") this.#become({ fault: message.message });
  }

  #closed(code: number, reason: string): void {
    clearTimeout(this.#timer);
    if (this.#state.step === "ending" || code === NORMAL) this.#over(null);
    else if (REFUSED[code] !== undefined || code === NOT_ALLOWED) this.#over(REFUSED[code] ?? reason);
    else void this.#lost();
  }

  async #lost(): Promise<void> {
    const first = this.#state.step === "sending";
    if (first) this.#lostAt = Date.now();
    this.#become({ step: "lost" });
    const over = !first && (await this.#options.isOver());
    if (this.#isStopped()) return;
    if (over) this.#over("The job has ended.");
    else if (Date.now() - this.#lostAt >= GRACE_MS) this.#over(UNREACHABLE);
    else this.#retry = setTimeout(() => this.#open(), RETRY_MS);
  }

  #isStopped(): boolean {
    return this.#state.step === "over";
  }

  #over(fault: string | null): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    socket?.close(NORMAL);
    this.#become({ step: "over", fault });
  }

  #become(change: Partial<PushState>): void {
    this.#state = { ...this.#state, ...change };
    this.#options.onState(this.#state);
  }
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? (value as Record<string, unknown> | null) : null;
  } catch {
    return null;
  }
}
