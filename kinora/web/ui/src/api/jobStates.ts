import type { JobStatus } from "./types";

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
