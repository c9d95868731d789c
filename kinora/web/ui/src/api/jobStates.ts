import type { JobStatus, Stage } from "./types";

export const STATUSES: readonly JobStatus[] = [
  "queued",
  "running",
  "paused",
  "done",
  "failed",
  "cancelled",
  "interrupted",
];

const ENDED: ReadonlySet<string> = new Set<JobStatus>(["done", "failed", "cancelled", "interrupted"]);

/** True if the job will not change any more. */
export const isEnded = (status: string): boolean => ENDED.has(status);

const AT_WORK: ReadonlySet<Stage> = new Set<Stage>(["waiting", "preparing", "running", "reconnecting", "finalizing"]);

/** The status of a job in this live stage; `known` is its status when it was last fetched. */
export function statusIn(stage: Stage | null | undefined, known: JobStatus): JobStatus {
  if (isEnded(known)) return known;
  if (stage != null && AT_WORK.has(stage)) return "running";
  // A paused job that is to go on is queued again until a place is free.
  return stage === "paused" || (stage === "queued" && known === "running") ? "paused" : known;
}

/** The state that is shown: a running job without its live source is `reconnecting`. */
export function shownState(status: string, stage: Stage | null | undefined): string {
  return status === "running" && stage === "reconnecting" ? stage : status;
}
