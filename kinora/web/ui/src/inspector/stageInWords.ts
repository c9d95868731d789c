import { isEnded } from "../api/jobStates";
import type { StageStatus } from "../api/types";

/** How a plugin stands: the end of its job stops it wherever it is. */
export function stageInWords(status: StageStatus, jobStatus: string): string {
  return isEnded(jobStatus) && status !== "completed" && status !== "failed" ? "stopped" : status;
}
