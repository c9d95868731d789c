import { isEnded } from "../api/jobStates";
import type { StageStatus } from "../api/types";

/** The plugin's status in a word: `stopped` if its job ended before it did. */
export function stageInWords(status: StageStatus, jobStatus: string): string {
  return isEnded(jobStatus) && status !== "completed" && status !== "failed" ? "stopped" : status;
}
