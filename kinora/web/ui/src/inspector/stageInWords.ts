import type { StageStatus } from "../api/types";
import { isEnded } from "../jobs/jobStates";

/** How a plugin stands: the end of its job stops it wherever it is. */
export function stageInWords(status: StageStatus, jobStatus: string): string {
  return isEnded(jobStatus) && status !== "completed" && status !== "failed" ? "stopped" : status;
}
