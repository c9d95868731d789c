import type { JobStatusName } from "../api/types";

export const STATUSES: readonly JobStatusName[] = [
  "queued",
  "running",
  "paused",
  "done",
  "failed",
  "cancelled",
  "interrupted",
];

const ENDED: ReadonlySet<string> = new Set<JobStatusName>(["done", "failed", "cancelled", "interrupted"]);

/** Whether nothing about the job will change any more. */
export const isEnded = (status: string): boolean => ENDED.has(status);
