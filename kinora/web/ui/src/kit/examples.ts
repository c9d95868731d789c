/** Example data for the UI kit. */
import type { AgentState, Device, JobSummary, PluginSummary } from "../api/generated";
import type { ConnectionInfo } from "../realtime/RealtimeClient";
import type { ShownWarning } from "../realtime/state";

const connection = (change: Partial<ConnectionInfo>): ConnectionInfo => ({
  state: "CONNECTED",
  attempts: 0,
  givenUp: false,
  closed: null,
  lostAt: null,
  retryAt: null,
  ...change,
});

const LOST = Date.now();

export const CONNECTIONS: readonly ConnectionInfo[] = [
  connection({}),
  connection({ state: "CONNECTING" }),
  connection({ state: "DISCONNECTED", attempts: 1, lostAt: LOST, retryAt: LOST + 4000 }),
  connection({ state: "RECONNECTING", attempts: 6, givenUp: true, lostAt: LOST }),
  connection({ state: "CLOSED", closed: "off" }),
  connection({ state: "CLOSED", closed: "replaced" }),
];

export const JOB: JobSummary = {
  job_id: "50b3245c-db53-4d2c-af42-52c88ed3bce5",
  status: "running",
  stage: "running",
  progress: 42,
  source: "a folder/with quite a long name of a video.mp4",
  device_requested: "auto",
  device_used: "cpu",
  fallback: false,
  created_at: "2026-11-23T09:03:54.216Z",
  started_at: "2026-11-23T09:03:54.221Z",
  finished_at: null,
  duration_ms: 64_000,
  frames_done: 42,
  frames_total: 100,
  detections: 128,
  picture: null,
  warnings_count: 3,
  error: null,
  plugins: ["motion", "people", "tracker"],
  plugins_failed: [],
  standing: null,
  queue_position: null,
};

export const DEVICES: readonly Device[] = [
  { id: "cpu", kind: "cpu", name: "AMD EPYC", available: true, reason: null },
  { id: "cuda:0", kind: "cuda", name: "NVIDIA GPU", available: false, reason: "there is no NVIDIA driver here" },
];

export const WARNINGS: readonly ShownWarning[] = [
  {
    key: "1",
    plugin: "quality",
    message: "dark from 6.0 s on (mean luma 18 of 255)",
    code: "PLUGIN_WARNING",
    severity: "medium",
    count: 1,
    frameIndex: 150,
    at: "2026-11-23T12:04:10.000Z",
  },
  {
    key: "2",
    plugin: "faces",
    message: "ZeroDivisionError: division by zero",
    code: "PLUGIN_ERROR",
    severity: "high",
    count: 1250,
    frameIndex: 3,
    at: null,
  },
  { key: "3", plugin: null, message: "The source broke off.", code: "SOURCE_TRUNCATED", severity: "low", count: 1, frameIndex: null, at: null },
];

function plugin(name: string, description: string, health: PluginSummary["health"] = "ok"): PluginSummary {
  return {
    name,
    health,
    failures: 0,
    restarts: 0,
    reason: null,
    origin: { kind: "builtin", location: `kinora.plugins.builtin.${name}`, attribute: "", python: "" },
    metadata: {
      name,
      version: "1.0.0",
      description,
      author: "Kinora",
      tags: [],
      inputs: ["frame"],
      outputs: ["detections"],
      permissions: [],
      config_schema: {
        type: "object",
        properties: {
          min_hits: { type: "integer", default: 2, minimum: 1, maximum: 100, description: "Sightings after which a track gets its id." },
          draft: { type: "boolean", default: false, description: "Be quick rather than exact." },
          mode: { enum: ["fast", "exact"], default: "fast", description: "How to look." },
          classes: { type: "array", items: { type: "string" }, default: [], description: "Classes that are followed. Empty: all." },
        },
      },
      capabilities: ["detections"],
      devices: ["cpu"],
      stateless: false,
      latency_budget_ms: 40,
      memory_limit_mb: null,
      max_batch: 1,
      batch_wait_ms: 20,
      skeleton: [],
    },
  };
}

export const PLUGINS: readonly PluginSummary[] = [
  plugin("people", "Finds people who stand or walk"),
  plugin("tracker", "Follows the detections of the plugins before it"),
  plugin("faces", "Finds upright faces"),
  plugin("colors", "Finds the main colours", "degraded"),
  plugin("ocr", "Reads text", "failed"),
  {
    name: "mine",
    health: "broken",
    failures: 0,
    restarts: 0,
    reason: "on import it raised ModuleNotFoundError: No module named 'torch'",
    origin: { kind: "file", location: "/plugins/mine.py", attribute: "", python: "" },
    metadata: null,
  },
];

export const AGENTS: readonly AgentState[] = [
  {
    id: "north-1",
    name: "north",
    kind: "joined",
    host: "north.example",
    pid: 4711,
    status: "busy",
    since: "2026-11-26T18:00:00.000Z",
    joined_at: "2026-11-26T17:00:00.000Z",
    lost_at: null,
    reason: "All its places are taken.",
    jobs: [JOB.job_id],
    places: 1,
    places_free: 0,
    cpus: 8,
    cpus_free: 7,
    gpus_free: 0.5,
    memory: 16e9,
    devices: [{ id: "cpu", kind: "cpu", name: "AMD EPYC", available: true }, { id: "cuda:0", kind: "cuda", name: "NVIDIA L4", available: true }],
    resources: { licence: 2 },
    resources_free: { licence: 1 },
    load: { busy_cpus: 3.2, memory: 7e8, workers: 3 },
    shares_files: false,
    kinora: "0.1.0",
    versions: { python: "3.12.3", numpy: "2.3.4", opencv: "4.12.0", pyav: "18.1.0" },
    differing: [{ name: "ocr", reason: "It has version 0.9, and the server 1.0." }],
    unacknowledged: 12,
  },
  {
    id: "south-1",
    name: "south",
    kind: "local",
    host: "south",
    pid: 4712,
    status: "away",
    since: "2026-11-26T18:00:00.000Z",
    joined_at: "2026-11-26T17:00:00.000Z",
    lost_at: "2026-11-26T18:00:05.500Z",
    reason: "Its connection is broken.",
    jobs: [],
    places: 2,
    places_free: 2,
    cpus: 2,
    cpus_free: 2,
    gpus_free: 0,
    memory: 4e9,
    devices: [],
    resources: {},
    resources_free: {},
    load: null,
    shares_files: true,
    kinora: "0.1.0",
    versions: { python: "3.12.3" },
    differing: [],
    unacknowledged: 0,
  },
];
