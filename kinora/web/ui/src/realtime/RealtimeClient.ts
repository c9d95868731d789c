/** A connection to `/v1/realtime` that reconnects by itself and asks for the messages that it missed. */
import type { RealtimeMessage } from "../api/generated";
import { backoffMs, GIVE_UP_AFTER } from "./backoff";
import { parsePicture, type BinaryPicture } from "./binaryPicture";
import { MessageFilter } from "./MessageFilter";
import { parseMessage, type MessageType } from "./messages";

export type ConnectionState = "IDLE" | "CONNECTING" | "CONNECTED" | "DISCONNECTED" | "RECONNECTING" | "CLOSED";

/** The reason why a connection is closed for good. */
export type ClosedReason = "asked" | "replaced" | "off" | "refused";

export interface ConnectionInfo {
  state: ConnectionState;
  /** The number of failed attempts in a row. */
  attempts: number;
  /** True after so many failed attempts that polling has to stand in; the attempts go on. */
  givenUp: boolean;
  closed: ClosedReason | null;
  /** The time in milliseconds since which there is no connection; null while there is one, and before the first. */
  lostAt: number | null;
  /** The time of the next attempt; null unless one is planned. */
  retryAt: number | null;
}

export interface Filters {
  job_id?: string[];
  types?: readonly MessageType[];
  max_fps?: number;
  images?: "url" | "binary" | "none";
}

/** The part of a WebSocket that is used here. */
export type Socket = Pick<
  WebSocket,
  "binaryType" | "readyState" | "send" | "close" | "onopen" | "onmessage" | "onclose"
>;

export interface ClientOptions {
  /** `ws://…/v1/realtime`, without a query. */
  url: string;
  /** A UUID of this connection alone: the server keeps one connection per UUID. */
  sessionId: string;
  onMessage: (message: RealtimeMessage) => void;
  onState?: (info: ConnectionInfo) => void;
  onPicture?: (picture: BinaryPicture) => void;
  openSocket?: (url: string) => Socket;
  /** Resolves to the reason why no connection can be made, or null if one may be made later; called when one could not be made. */
  whyNot?: () => Promise<"off" | "refused" | null>;
  random?: () => number;
}

const REPLACED = 4002;
/** The server does not let this client in, or no longer. */
const NOT_ALLOWED = 1008;
const OPEN = 1;
/** The server pings every 30 s: a connection that is silent for this long is dead. */
const SILENCE_MS = 75_000;

export class RealtimeClient {
  readonly #options: ClientOptions;
  readonly #filter = new MessageFilter();
  #info: ConnectionInfo = { state: "IDLE", attempts: 0, givenUp: false, closed: null, lostAt: null, retryAt: null };
  #socket: Socket | null = null;
  #filters: Filters = {};
  #retry: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  get info(): ConnectionInfo {
    return this.#info;
  }

  /** Connect and get all messages after `lastEventId`; does nothing unless IDLE or CLOSED. */
  connect(lastEventId?: string): void {
    if (this.#info.state !== "IDLE" && this.#info.state !== "CLOSED") return;
    if (lastEventId !== undefined) this.#filter.startAfter(lastEventId);
    this.#become({ state: "CONNECTING", attempts: 0, givenUp: false, closed: null });
    this.#open();
  }

  /** Close the connection and do not reconnect. */
  close(reason: ClosedReason = "asked"): void {
    this.#forgetSocket()?.close(1000);
    clearTimeout(this.#retry);
    this.#become({ state: "CLOSED", closed: reason });
  }

  /** Choose the messages to get from now on; a reconnect keeps the choice. */
  subscribe(filters: Filters): void {
    this.#filters = filters;
    if (this.#info.state === "CONNECTED") this.#send("subscribe", filters);
  }

  /** Reconnect at once instead of waiting, for example when the network is back. */
  retryNow(): void {
    if (this.#info.state === "DISCONNECTED") this.#reconnect();
  }

  #open(): void {
    const socket = (this.#options.openSocket ?? ((url) => new WebSocket(url)))(this.#address());
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#become({ state: "CONNECTED", attempts: 0, givenUp: false, lostAt: null, retryAt: null });
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#lost(code);
    this.#socket = socket;
    this.#listen();
  }

  #address(): string {
    const query = new URLSearchParams({ session_id: this.#options.sessionId });
    const { job_id: jobIds = [], types, max_fps: maxFps, images } = this.#filters;
    for (const id of jobIds) query.append("job_id", id);
    if (types) query.set("types", types.join());
    if (maxFps !== undefined) query.set("max_fps", String(maxFps));
    if (images) query.set("images", images);
    const last = this.#filter.lastEventId;
    if (last !== null) query.set("last_event_id", last);
    return `${this.#options.url}?${query}`;
  }

  #receive(data: unknown): void {
    this.#listen();
    if (data instanceof ArrayBuffer) {
      const picture = parsePicture(data);
      if (picture) this.#options.onPicture?.(picture);
      return;
    }
    const message = typeof data === "string" ? parseMessage(data) : null;
    if (!message) return;
    if (message.type === "ping") this.#send("pong", {});
    if (this.#filter.accepts(message)) this.#options.onMessage(message);
  }

  #lost(code: number): void {
    const connected = this.#info.state === "CONNECTED";
    this.#forgetSocket();
    if (code === REPLACED) return this.close("replaced");
    if (code === NOT_ALLOWED) return this.close("refused");
    const attempts = connected ? 0 : this.#info.attempts + 1;
    const pause = backoffMs(attempts, this.#options.random);
    const [lostAt, retryAt] = [this.#info.lostAt ?? Date.now(), Date.now() + pause];
    this.#become({ state: "DISCONNECTED", attempts, givenUp: attempts >= GIVE_UP_AFTER, lostAt, retryAt });
    this.#retry = setTimeout(() => this.#reconnect(), pause);
    if (!connected) void this.#closeIfUseless();
  }

  async #closeIfUseless(): Promise<void> {
    const reason = await this.#options.whyNot?.();
    if (reason && this.#info.state !== "CONNECTED" && this.#info.state !== "CLOSED") this.close(reason);
  }

  #reconnect(): void {
    clearTimeout(this.#retry);
    this.#become({ state: "RECONNECTING", retryAt: null });
    this.#open();
  }

  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#socket?.close();
      this.#lost(1006);
    }, SILENCE_MS);
  }

  #send(type: string, payload: object): void {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify({ type, payload }));
  }

  #forgetSocket(): Socket | null {
    const socket = this.#socket;
    clearTimeout(this.#silence);
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    this.#socket = null;
    return socket;
  }

  #become(change: Partial<ConnectionInfo>): void {
    this.#info = { ...this.#info, ...change };
    this.#options.onState?.(this.#info);
  }
}
