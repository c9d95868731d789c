/** The messages of `/v1/realtime`. */
import type { Health, Json, PluginMeta, Severity, Stage, StageStatus } from "../api/types";

export interface ProgressPayload {
  job_id: string;
  progress: number | null;
  stage: Stage;
  plugin: string | null;
  frames_done: number;
  frames_total: number | null;
}

export interface FramePayload {
  job_id: string;
  frame_id: string;
  index: number;
  plugin: string;
  data: Json;
  device_used: string;
  timing_ms: number;
  queue_ms: number;
  width: number;
  height: number;
  timestamp_ms: number;
  image_url: string | null;
}

export interface PluginStatusPayload {
  job_id: string;
  plugin: string;
  status: StageStatus;
  timing_ms: number | null;
  frames_processed: number;
  warnings_count: number;
  health: Health;
}

export interface WarningPayload {
  job_id: string;
  plugin: string | null;
  message: string;
  severity: Severity;
  code: string;
  frame_id: string | null;
  count?: number;
}

export interface ErrorPayload {
  job_id: string | null;
  error: string;
  plugin: string | null;
  details: { error_code: string; message: string };
  frame_id: string | null;
}

export interface CompletePayload {
  job_id: string;
  status: string;
  frames: number;
  duration_ms: number;
  warnings_count: number;
}

export interface GapPayload {
  from: string;
  to: string;
  reason: "expired" | "restarted" | "slow" | "deleted";
  dropped?: number;
}

interface Payloads {
  progress: ProgressPayload;
  frame: FramePayload;
  partial_result: { job_id: string; plugin: string; result: Json; partial: true };
  plugin_status: PluginStatusPayload;
  warning: WarningPayload;
  error: ErrorPayload;
  complete: CompletePayload;
  metadata: { plugin: string; metadata: PluginMeta };
  ping: { interval_seconds: number };
  pong: { timestamp: string | null };
  gap: GapPayload;
}

export type MessageType = keyof Payloads;
export type MessageOf<T extends MessageType> = {
  [K in T]: { type: K; payload: Payloads[K]; timestamp: string; id: string };
}[T];
export type RealtimeMessage = MessageOf<MessageType>;

const TYPES: ReadonlySet<string> = new Set<MessageType>([
  "progress",
  "frame",
  "partial_result",
  "plugin_status",
  "warning",
  "error",
  "complete",
  "metadata",
  "ping",
  "pong",
  "gap",
]);

/** The message in `text`; null for what this page does not know, as a newer server may send. */
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
    typeof type === "string" && TYPES.has(type) && typeof payload === "object" && payload !== null && typeof id === "string"
  );
}
