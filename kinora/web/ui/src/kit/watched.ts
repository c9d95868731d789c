/** Example jobs for the UI kit, as they are watched: one that runs, and one that failed. */
import type { ExtendedJobResponse, FramePayload, RealtimeMessage, StageState } from "../api/generated";
import type { Realtime } from "../realtime/RealtimeContext";
import { RealtimeStore } from "../realtime/RealtimeStore";
import { JOB, PLUGINS } from "./examples";

const WORKING: StageState = {
  version: "1.0.0",
  options: {},
  every: 1,
  side: false,
  status: "running",
  health: "ok",
  frames: 42,
  passed_over: 0,
  late: 0,
  failures: 0,
  restarts: 0,
  replicas: 1,
  queue_ms: { last: 12, mean: 14, p50: 12, p95: 31, max: 44 },
  run_ms: { last: 22, mean: 24, p50: 21, p95: 46, max: 63 },
  finalize: null,
  device_used: "cpu",
  last_error: null,
  errors: [],
};

const RUNNING: ExtendedJobResponse = {
  ...JOB,
  frames: [],
  plugin_timings: { people: 1008, tracker: 12 },
  warnings: [],
  warning_groups: [],
  fallback_reason: null,
  outages: [],
  frames_dropped: 0,
  fps: 24,
  detections: 0,
  picture: null,
  duration_ms: null,
  cancel_ms: null,
  uploaded: false,
  options: {},
  request: {},
  queue_position: null,
  waiting_for: null,
  agent: "north-1",
  plugins: { people: WORKING, tracker: { ...WORKING, health: "degraded", restarts: 1, failures: 2 } },
};

const FAILED: ExtendedJobResponse = {
  ...RUNNING,
  status: "failed",
  finished_at: "2026-11-23T09:04:10.000Z",
  error: "The source broke off: read it from a disk that holds it whole.",
  device_requested: "cuda:0",
  fallback: true,
  fallback_reason: "there is no NVIDIA driver here",
  frames_dropped: 7,
  plugins: { people: { ...WORKING, status: "completed" }, tracker: { ...WORKING, status: "failed", health: "failed", restarts: 3, failures: 3 } },
};

export const RUNNING_JOB = watched(RUNNING);
export const FAILED_JOB = watched(FAILED);

function watched(job: ExtendedJobResponse): Realtime {
  const store = new RealtimeStore();
  const say = (message: Pick<RealtimeMessage, "type" | "payload">) =>
    store.dispatch({ type: "message", message: { ...message, id: "kit-1", timestamp: job.created_at } as RealtimeMessage });
  for (const { name: plugin, metadata } of PLUGINS) if (metadata) say({ type: "metadata", payload: { plugin, metadata } });
  store.dispatch({ type: "watch", jobId: job.job_id });
  store.dispatch({ type: "job", job });
  for (let index = 0; index < 90; index++) say({ type: "frame", payload: frameOf(job.job_id, index) });
  return {
    store,
    get state() {
      return store.latest;
    },
    dispatch: store.dispatch,
    subscribe: store.subscribe,
    setPace: () => undefined,
    refresh: () => undefined,
    reconnect: () => undefined,
  };
}

/** A frame whose time is within the budget of the example plugins, or beyond it, depending on `index`. */
function frameOf(job_id: string, index: number): FramePayload {
  return {
    job_id,
    frame_id: `frame-${index}`,
    index,
    plugin: "people",
    data: null,
    device_used: "cpu",
    timing_ms: 30 + 18 * Math.sin(index / 7),
    queue_ms: (index * 7) % 25,
    width: 640,
    height: 360,
    timestamp_ms: index * 40,
    image_url: null,
    pictured: false,
  };
}
