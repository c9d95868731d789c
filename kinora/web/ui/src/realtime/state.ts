/** What the page knows of the server and of the job it watches. */
import type { ExtendedJobResponse, FrameData, PluginMetadata } from "../api/generated";
import type { Health, Severity, Stage, StageStatus } from "../api/types";
import type { ConnectionInfo } from "./RealtimeClient";

/** A warning with all its repeats, as it is listed. */
export interface ShownWarning {
  key: string;
  plugin: string | null;
  message: string;
  code: string;
  severity: Severity;
  count: number;
  /** Of the frame on which it first occurred, where that is known. */
  frameIndex: number | null;
}

export interface LivePlugin {
  status: StageStatus;
  health: Health;
  frames: number;
  timingMs: number | null;
}

/** A job as far as messages tell, for lists of jobs. */
export interface LiveJob {
  progress: number | null;
  stage: Stage;
  framesDone: number;
  framesTotal: number | null;
  /** Set when it has ended. */
  status: string | null;
}

export interface RealtimeState {
  isConnected: boolean;
  connection: ConnectionInfo;
  /** Realtime is off or given up, and the state comes by asking for it. */
  polling: boolean;
  /** What could not be had again after a lost connection, in words. */
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
  /** Total milliseconds per plugin. */
  pluginTimings: Record<string, number>;
  plugins: Record<string, LivePlugin>;
  warnings: string[];
  warningGroups: ShownWarning[];
  errors: string[];
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
  warnings: [],
  warningGroups: [],
  errors: [],
} satisfies Partial<RealtimeState>;

/** The state with another watched job, of which nothing is known yet. */
export function watching(state: RealtimeState, jobId: string | null): RealtimeState {
  return { ...state, ...FRESH_JOB, jobId, missed: null };
}

/** How the watched job stands by all that is known; empty if nothing is. */
export function watchedStatus({ jobs, job, jobId }: RealtimeState): string {
  return jobs[jobId ?? ""]?.status ?? job?.status ?? "";
}

export const INITIAL_STATE: RealtimeState = {
  ...FRESH_JOB,
  isConnected: false,
  connection: { state: "IDLE", attempts: 0, givenUp: false, closed: null },
  polling: false,
  missed: null,
  jobId: null,
  metadata: {},
  jobs: {},
};
