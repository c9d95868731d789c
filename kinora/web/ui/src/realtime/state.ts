/** The page's knowledge of the server and of the watched job. */
import type { ExtendedJobResponse, FrameData, LostReason, PluginMetadata } from "../api/generated";
import { isEnded } from "../api/jobStates";
import type { Health, Severity, Stage, StageStatus } from "../api/types";
import type { ConnectionInfo } from "./RealtimeClient";

/** A warning with the number of its repeats, as listed. */
export interface ShownWarning {
  key: string;
  plugin: string | null;
  message: string;
  code: string;
  severity: Severity;
  count: number;
  /** The index of the frame on which it first occurred; null if that is unknown. */
  frameIndex: number | null;
  /** When it came first, as ISO 8601; null if that is unknown. */
  at: string | null;
}

export interface LivePlugin {
  status: StageStatus;
  health: Health;
  frames: number;
  timingMs: number | null;
}

/** A time without pictures from a live source, which goes on. */
export interface Outage {
  /** The time of its begin; null if that was not seen. */
  since: string | null;
  /** The word for its reason; null if that is not known. */
  why: LostReason | null;
}

/** A job's state from messages alone, for the list of jobs. */
export interface LiveJob {
  progress: number | null;
  stage: Stage;
  framesDone: number;
  framesTotal: number | null;
  /** The final status; null until the job has ended. */
  status: string | null;
  /** Null while the source gives pictures. */
  outage: Outage | null;
}

export interface RealtimeState {
  isConnected: boolean;
  connection: ConnectionInfo;
  /** True if realtime is off, replaced or given up: the page then polls. */
  polling: boolean;
  /** True if the server has answered since the connection was lost. */
  answered: boolean;
  /** A sentence about messages that were missed for good; null if there are none. */
  missed: string | null;
  jobId: string | null;
  job: ExtendedJobResponse | null;
  /** 0 to 100; see `lengthKnown`. */
  progress: number;
  lengthKnown: boolean;
  stage: Stage | null;
  framesDone: number;
  framesTotal: number | null;
  currentFrame: FrameData | null;
  /** The total run time of each plugin, in milliseconds. */
  pluginTimings: Record<string, number>;
  plugins: Record<string, LivePlugin>;
  /** The number of the newest event that was told; 0 before the first. */
  eventsTold: number;
  warnings: string[];
  warningGroups: ShownWarning[];
  errors: string[];
  /** True if the server has no such job; `job` is then its last known state, if it had one. */
  unknown: boolean;
  metadata: Record<string, PluginMetadata>;
  jobs: Record<string, LiveJob>;
}

const FRESH_JOB = {
  job: null,
  progress: 0,
  lengthKnown: true,
  stage: null,
  framesDone: 0,
  framesTotal: null,
  currentFrame: null,
  pluginTimings: {},
  plugins: {},
  eventsTold: 0,
  warnings: [],
  warningGroups: [],
  errors: [],
  unknown: false,
} satisfies Partial<RealtimeState>;

/** The state with another watched job, about which nothing is known yet. */
export function watching(state: RealtimeState, jobId: string | null): RealtimeState {
  return { ...state, ...FRESH_JOB, jobId, missed: null };
}

/** The outage of the watched job's source, as far as it is known; null if there is none. */
export function watchedOutage({ stage, jobs, jobId, job }: RealtimeState): Outage | null {
  if (stage !== "reconnecting") return null;
  const { since, why } = jobs[jobId ?? ""]?.outage ?? { since: null, why: null };
  const known = presentOutage(job);
  return { since: since ?? known.since, why: why ?? known.why };
}

/** The outage that a job's state has as not over. */
export function presentOutage(job: Pick<ExtendedJobResponse, "outages"> | null): Outage {
  const last = job?.outages.at(-1);
  return last?.back_at === null ? { since: last.lost_at, why: last.reason } : { since: null, why: null };
}

/** True if the watched job's source has no known end, as a camera. */
export function isEndless({ job, framesTotal, lengthKnown, jobs, jobId }: RealtimeState): boolean {
  if (job === null || framesTotal !== null) return false;
  return !lengthKnown || isEnded(jobs[jobId ?? ""]?.status ?? job.status);
}

/** The latest known status of the watched job; empty if none is known. */
export function watchedStatus({ jobs, job, jobId }: RealtimeState): string {
  return jobs[jobId ?? ""]?.status ?? job?.status ?? "";
}

export const INITIAL_STATE: RealtimeState = {
  ...FRESH_JOB,
  isConnected: false,
  connection: { state: "IDLE", attempts: 0, givenUp: false, closed: null, lostAt: null, retryAt: null },
  answered: false,
  polling: false,
  missed: null,
  jobId: null,
  metadata: {},
  jobs: {},
};
