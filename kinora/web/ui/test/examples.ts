/** Example messages and answers of a server. */
import type { ExtendedJobResponse, FrameData, FramePayload, RealtimeMessage, StageState, WarningPayload } from "../src/api/generated";
import type { MessageOf, MessageType } from "../src/realtime/messages";

export const JOB_ID = "50b3245c-db53-4d2c-af42-52c88ed3bce5";

export function message<T extends MessageType>(type: T, payload: MessageOf<T>["payload"], id = "a-1"): RealtimeMessage {
  return { type, payload, id, timestamp: "2026-11-23T08:00:00.000Z" } as RealtimeMessage;
}

export function framePayload(change: Partial<FramePayload> = {}): FramePayload {
  return {
    job_id: JOB_ID,
    frame_id: "frame-000003",
    index: 3,
    plugin: "people",
    data: { detections: [] },
    device_used: "cpu",
    timing_ms: 12.5,
    queue_ms: 2.5,
    width: 640,
    height: 360,
    timestamp_ms: 120,
    image_url: null,
    pictured: false,
    ...change,
  };
}

export function warningPayload(change: Partial<WarningPayload> = {}): WarningPayload {
  return {
    job_id: JOB_ID,
    plugin: "faces",
    message: "ZeroDivisionError: division by zero",
    severity: "high",
    code: "PLUGIN_ERROR",
    frame_id: "frame-000012",
    count: 1,
    ...change,
  };
}

const PLUGIN: StageState = {
  version: "1.0.0",
  options: {},
  every: 1,
  side: false,
  status: "running",
  frames: 10,
  passed_over: 0,
  late: 0,
  failures: 0,
  restarts: 0,
  replicas: 1,
  queue_ms: null,
  run_ms: { last: 11, mean: 12, p50: 11, p95: 19, max: 30 },
  health: "ok",
  finalize: null,
  device_used: "cpu",
  last_error: null,
  errors: [],
};

export function job(change: Partial<ExtendedJobResponse> = {}): ExtendedJobResponse {
  return {
    job_id: JOB_ID,
    status: "running",
    stage: "running",
    progress: 40,
    source: "people.mp4",
    device_requested: "auto",
    device_used: "cpu",
    fallback: false,
    created_at: "2026-11-23T08:00:00.000Z",
    started_at: "2026-11-23T08:00:00.100Z",
    finished_at: null,
    frames_done: 40,
    frames_total: 100,
    error: null,
    frames: [],
    plugin_timings: { people: 400 },
    warnings: [],
    warning_groups: [],
    fallback_reason: null,
    frames_dropped: 0,
    fps: 20,
    outages: [],
    detections: 0,
    picture: null,
    duration_ms: null,
    cancel_ms: null,
    uploaded: false,
    plugins: { people: PLUGIN },
    options: { stride: 1 },
    request: { source: "clip.mp4", plugins: ["people"] },
    standing: null,
    queue_position: null,
    waiting_for: null,
    agent: null,
    ...change,
  };
}

export function frame(index: number, results: FrameData["results"] = {}): FrameData {
  const frame_id = `frame-${String(index).padStart(6, "0")}`;
  return { frame_id, index, timestamp_ms: index * 40, width: 640, height: 360, results };
}
