/** What the server sends: the names are those on the wire. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = Record<string, Json>;

export type JobStatusName = "queued" | "running" | "paused" | "done" | "failed" | "cancelled" | "interrupted";
export type Stage = "queued" | "preparing" | "running" | "paused" | "finalizing" | "deleted";
export type StageStatus = "waiting" | "started" | "running" | "completed" | "failed";
export type Health = "ok" | "degraded" | "failed";
export type Severity = "low" | "medium" | "high";

export interface FrameData {
  frame_id: string;
  index: number;
  timestamp_ms: number;
  width: number;
  height: number;
  results: Record<string, Json>;
}

export interface TimingSummary {
  last: number;
  mean: number;
  p50: number;
  p95: number;
  max: number;
}

export interface PluginState {
  status: StageStatus;
  frames: number;
  failures: number;
  restarts: number;
  queue_ms: TimingSummary | null;
  run_ms: TimingSummary | null;
  health: Health;
  finalize: Json;
}

/** A warning with all its repeats. */
export interface JobWarning {
  plugin: string | null;
  code: string;
  severity: Severity;
  message: string;
  count: number;
  /** The first frame that it was about. */
  frame_id: string | null;
}

export interface JobSummary {
  job_id: string;
  status: JobStatusName;
  stage: Stage;
  progress: number | null;
  source: string;
  device_requested: string;
  device_used: string;
  fallback: boolean;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  frames_done: number;
  frames_total: number | null;
  error: string | null;
  plugins: string[];
}

export interface ExtendedJob extends Omit<JobSummary, "plugins"> {
  frames: FrameData[];
  plugin_timings: Record<string, number> | null;
  warnings: string[] | null;
  warning_groups: JobWarning[];
  fallback_reason: string | null;
  frames_dropped: number;
  fps: number | null;
  cancel_ms: number | null;
  /** The source is a file that came with the job; no other job can name it. */
  uploaded: boolean;
  plugins: Record<string, PluginState>;
  options: JsonObject;
  queue_position: number | null;
}

export interface JobPage {
  jobs: JobSummary[];
  next_cursor: string | null;
}

export interface FramePage {
  frames: FrameData[];
  next_after: number | null;
}

export interface CancelAnswer {
  job_id: string;
  status: JobStatusName | "cancelling";
  cancelled: boolean;
  cancel_ms: number | null;
  pids?: number[];
}

export interface Device {
  id: string;
  kind: string;
  name: string;
  available: boolean;
  reason: string | null;
}

export interface DeviceList {
  devices: Device[];
  default: string;
}

export interface OptionSchema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: Json;
  minimum?: number;
  maximum?: number;
  enum?: Json[];
  items?: OptionSchema;
  properties?: Record<string, OptionSchema>;
}

export interface PluginMeta {
  name: string;
  version: string;
  description: string;
  author: string;
  tags: string[];
  inputs: string[];
  outputs: string[];
  permissions: string[];
  config_schema: OptionSchema | null;
  capabilities: string[];
  devices: string[];
  latency_budget_ms: number | null;
  memory_limit_mb: number | null;
}

export interface Plugin {
  name: string;
  /** How its last job left it; `broken` cannot run at all. */
  health: Health | "broken";
  reason: string | null;
  origin: { kind: string; location: string; attribute: string | null };
  metadata: PluginMeta | null;
  traceback?: string | null;
}

export interface MediaFile {
  name: string;
  bytes: number;
}

export interface MediaList {
  files: MediaFile[];
  truncated: boolean;
}

export interface PluginChoice {
  name: string;
  options: JsonObject;
}

export interface RunOptions {
  max_frames?: number;
  stride?: number;
  policy?: "wait" | "latest";
  plugin_timeout_ms?: number;
}

export interface JobRequest {
  source: string;
  plugins: PluginChoice[];
  device_requested: string;
  options: RunOptions;
}
