/** The changes of the page's state by messages and answers. */
import type {
  CompletePayload,
  ErrorPayload,
  ExtendedJobResponse,
  FramePayload,
  GapPayload,
  PluginStatusPayload,
  ProgressPayload,
  RealtimeMessage,
  StageState,
  WarningPayload,
} from "../api/generated";
import type { Stage } from "../api/types";
import { frameOf } from "./frameOf";
import { reasonOf } from "./outage";
import type { ConnectionInfo } from "./RealtimeClient";
import { watching, type LiveJob, type LivePlugin, type RealtimeState } from "./state";
import { warningText, withState, withWarning } from "./warnings";

export type Action =
  | { type: "connection"; info: ConnectionInfo }
  | { type: "message"; message: RealtimeMessage }
  | { type: "watch"; jobId: string | null }
  | { type: "job"; job: ExtendedJobResponse }
  | { type: "forgotten"; jobId: string }
  | { type: "error"; message: string }
  | { type: "unknown"; jobId: string }
  | { type: "unanswered" }
  | { type: "read" };

const MAX_ERRORS = 100;
/** The most jobs whose live state is kept; the list of jobs itself comes from the server. */
const MAX_JOBS = 400;

const clamp = (progress: number | null) => Math.min(100, Math.max(0, progress ?? 0));

export function reduce(state: RealtimeState, action: Action): RealtimeState {
  switch (action.type) {
    case "connection":
      return onConnection(state, action.info);
    case "message":
      return onMessage(state, action.message);
    case "watch":
      return state.jobId === action.jobId ? state : watching(state, action.jobId);
    case "job":
      return action.job.job_id === state.jobId ? onJob(state, action.job) : state;
    case "forgotten":
      return onForgotten(state, action.jobId);
    case "error":
      return withError({ ...state, answered: true }, action.message);
    case "unknown":
      return action.jobId === state.jobId ? { ...state, answered: true, unknown: true } : state;
    case "unanswered":
      return state.answered ? { ...state, answered: false } : state;
    case "read":
      return { ...state, missed: null };
  }
}

function onConnection(state: RealtimeState, info: ConnectionInfo): RealtimeState {
  const polling = info.givenUp || info.closed === "off" || info.closed === "replaced";
  const isConnected = info.state === "CONNECTED";
  // What was said about the last connection is no longer of interest.
  const missed = state.isConnected && !isConnected ? null : state.missed;
  return { ...state, connection: info, isConnected, polling, missed };
}

function onMessage(state: RealtimeState, message: RealtimeMessage): RealtimeState {
  switch (message.type) {
    case "metadata":
      return { ...state, metadata: { ...state.metadata, [message.payload.plugin]: message.payload.metadata } };
    case "gap":
      return onGap(state, message.payload);
    case "error":
      return onError(state, message.payload);
    case "progress":
      return onProgress(state, message.payload, message.timestamp);
    case "complete":
      return onComplete(state, message.payload);
    case "frame":
      return message.payload.job_id === state.jobId ? onFrame(state, message.payload) : state;
    case "plugin_status":
      return message.payload.job_id === state.jobId ? onPluginStatus(state, message.payload) : state;
    case "warning":
      return onWarning(withOutage(state, message.payload, message.timestamp), message.payload, message.timestamp);
    case "event":
      return message.payload.job_id === state.jobId ? { ...state, eventsTold: Math.max(state.eventsTold, message.payload.number) } : state;
    case "partial_result":
    case "ping":
    case "pong":
      return state;
  }
}

function onProgress(state: RealtimeState, payload: ProgressPayload, at: string): RealtimeState {
  const { progress, stage, frames_done: framesDone, frames_total: framesTotal } = payload;
  const known = state.jobs[payload.job_id];
  // The first message after connecting says how things are, not when they became so.
  const outage = stage === "reconnecting" ? (known?.outage ?? { since: known ? at : null, why: null }) : null;
  const next = withJob(state, payload.job_id, { progress, stage, framesDone, framesTotal, status: statusAfter(known, stage), outage });
  if (payload.job_id !== state.jobId) return next;
  return { ...next, unknown: stage === "deleted", progress: clamp(progress), lengthKnown: progress !== null, stage, framesDone, framesTotal };
}

/** The final status of a job that tells of its progress. An interrupted one that does has been resumed. */
function statusAfter(known: LiveJob | undefined, stage: Stage): string | null {
  const status = known?.status ?? null;
  return status === "interrupted" && stage !== "deleted" ? null : status;
}

function onComplete(state: RealtimeState, payload: CompletePayload): RealtimeState {
  const known = state.jobs[payload.job_id];
  const progress = payload.status === "done" ? 100 : (known?.progress ?? null);
  const live: LiveJob = {
    progress,
    stage: known?.stage ?? "finalizing",
    framesDone: payload.frames,
    framesTotal: known?.framesTotal ?? null,
    status: payload.status,
    outage: null,
  };
  const next = withJob(state, payload.job_id, live);
  if (payload.job_id !== state.jobId) return next;
  const done = payload.status === "done";
  return { ...next, progress: done ? 100 : next.progress, lengthKnown: done || next.lengthKnown, framesDone: payload.frames };
}

/** The state with a job's live state. If there are too many, the older half is dropped. */
function withJob(state: RealtimeState, jobId: string, job: LiveJob): RealtimeState {
  const jobs = { ...state.jobs, [jobId]: job };
  const ids = Object.keys(jobs);
  if (ids.length <= MAX_JOBS) return { ...state, jobs };
  const kept = new Set([...ids.slice(-MAX_JOBS / 2), jobId]);
  return { ...state, jobs: Object.fromEntries(Object.entries(jobs).filter(([id]) => kept.has(id))) };
}

function onForgotten(state: RealtimeState, jobId: string): RealtimeState {
  const { [jobId]: _gone, ...jobs } = state.jobs;
  const next = { ...state, jobs };
  return state.jobId === jobId ? watching(next, null) : next;
}

function onFrame(state: RealtimeState, payload: FramePayload): RealtimeState {
  const { plugin, index } = payload;
  const total = (state.pluginTimings[plugin] ?? 0) + payload.timing_ms;
  const pluginTimings = { ...state.pluginTimings, [plugin]: Math.round(total * 10) / 10 };
  const current = state.currentFrame;
  if (current && index < current.index) return { ...state, pluginTimings };
  const results = { ...(current?.index === index ? current.results : {}), [plugin]: payload.data };
  return { ...state, pluginTimings, currentFrame: frameOf(payload, results) };
}

function onPluginStatus(state: RealtimeState, payload: PluginStatusPayload): RealtimeState {
  // Plugins begin in any order. Wait for the job's own state, which has all of them in the pipeline's order.
  if (state.job === null) return state;
  const plugin: LivePlugin = {
    status: payload.status,
    health: payload.health,
    frames: payload.frames_processed,
    timingMs: payload.timing_ms,
  };
  return { ...state, plugins: { ...state.plugins, [payload.plugin]: plugin } };
}

/** The state with what a `SOURCE_LOST` says of any job's source. */
function withOutage(state: RealtimeState, { job_id: jobId, code, message }: WarningPayload, at: string): RealtimeState {
  const known = state.jobs[jobId];
  if (code !== "SOURCE_LOST" || !known) return state;
  return withJob(state, jobId, { ...known, outage: { since: known.outage?.since ?? at, why: reasonOf(message) } });
}

function onWarning(state: RealtimeState, payload: WarningPayload, at: string): RealtimeState {
  if (payload.job_id !== state.jobId) return state;
  const warningGroups = withWarning(state.warningGroups, payload, at);
  return { ...state, warningGroups, warnings: warningGroups.map(warningText) };
}

function onError(state: RealtimeState, payload: ErrorPayload): RealtimeState {
  return payload.job_id === null || payload.job_id === state.jobId ? withError(state, payload.error) : state;
}

function withError(state: RealtimeState, message: string): RealtimeState {
  if (state.errors.at(-1) === message) return state;
  return { ...state, errors: [...state.errors, message].slice(-MAX_ERRORS) };
}

const MISSED = {
  restarted: "The server was restarted. This is the current state.",
  expired: "The connection was lost for too long to get all missed messages. This is the current state.",
  slow: "This page was too slow to show some frames. No results are lost.",
  deleted: null,
} as const;

function onGap(state: RealtimeState, payload: GapPayload): RealtimeState {
  return { ...state, missed: MISSED[payload.reason] };
}

function onJob(state: RealtimeState, job: ExtendedJobResponse): RealtimeState {
  const warningGroups = withState(state.warningGroups, job.warning_groups);
  return {
    ...state,
    answered: true,
    unknown: false,
    job,
    progress: Math.max(clamp(job.progress), job.status === "running" ? state.progress : 0),
    lengthKnown: job.progress !== null,
    stage: job.stage,
    framesDone: Math.max(job.frames_done, state.framesDone),
    framesTotal: job.frames_total,
    pluginTimings: job.plugin_timings ?? state.pluginTimings,
    plugins: Object.fromEntries(Object.entries(job.plugins).map(([name, plugin]) => [name, livePlugin(plugin)])),
    warningGroups,
    warnings: warningGroups.map(warningText),
    errors: errorsOf(state, job),
  };
}

/** The errors so far and the job's. That of a job which was resumed is over. */
function errorsOf({ errors, job: before }: RealtimeState, { error }: ExtendedJobResponse): string[] {
  if (error === null) return before?.error == null ? errors : errors.filter((each) => each !== before.error);
  return errors.includes(error) ? errors : [...errors, error];
}

function livePlugin(plugin: StageState): LivePlugin {
  return {
    status: plugin.status,
    health: plugin.health,
    frames: plugin.frames,
    timingMs: plugin.run_ms?.last ?? null,
  };
}
