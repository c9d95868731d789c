/** Passes every message once, by its id `<epoch>-<seq>`. */
import type { RealtimeMessage } from "../api/generated";
import type { MessageType } from "./messages";

/** Types that the server also sends to a single client, with the id of the newest message that all clients got. */
const ALSO_PRIVATE: ReadonlySet<MessageType> = new Set<MessageType>([
  "progress",
  "plugin_status",
  "metadata",
  "error",
  "ping",
  "pong",
  "gap",
]);

interface EventId {
  epoch: string;
  seq: number;
}

export class MessageFilter {
  #last: EventId | null = null;

  /** The id to reconnect with after a lost connection; null before the first message. */
  get lastEventId(): string | null {
    return this.#last && `${this.#last.epoch}-${this.#last.seq}`;
  }

  startAfter(id: string): void {
    this.#last = parseId(id);
  }

  /** True if the message is new. */
  accepts({ type, id }: RealtimeMessage): boolean {
    const given = parseId(id);
    if (!given) return true;
    const last = this.#last;
    if (last?.epoch === given.epoch && given.seq <= last.seq) {
      return given.seq === last.seq && ALSO_PRIVATE.has(type);
    }
    this.#last = given;
    return true;
  }
}

function parseId(id: string): EventId | null {
  const match = /^(.+)-(\d+)$/.exec(id);
  return match?.[1] && match[2] ? { epoch: match[1], seq: Number(match[2]) } : null;
}
