/** The incoming messages of `/v1/realtime`. */
import type { RealtimeMessage } from "../api/generated";

export type MessageType = RealtimeMessage["type"];
export type MessageOf<T extends MessageType> = Extract<RealtimeMessage, { type: T }>;

const KNOWN: Readonly<Record<MessageType, true>> = {
  progress: true,
  frame: true,
  partial_result: true,
  plugin_status: true,
  warning: true,
  event: true,
  error: true,
  complete: true,
  metadata: true,
  ping: true,
  pong: true,
  gap: true,
};

/** The message in `text`; null if this page does not know it: a newer server may send other types. */
export function parseMessage(text: string): RealtimeMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return isMessage(value) ? value : null;
}

function isMessage(value: unknown): value is RealtimeMessage {
  if (typeof value !== "object" || value === null) return false;
  const { type, payload, id } = value as Record<string, unknown>;
  return (
    typeof type === "string" && Object.hasOwn(KNOWN, type) && typeof payload === "object" && payload !== null && typeof id === "string"
  );
}
