import { isEnded } from "../api/jobStates";
import type { Health, StageStatus } from "../api/types";

/** The plugin's health in words; null if it is well, or its status says the same. */
export function healthInWords(health: Health, status: StageStatus): string | null {
  if (health === "ok" || health === status) return null;
  return health === "failed" ? "failed on every frame" : health;
}

/** The plugin's status in a word: `stopped` if its job ended before it did. */
export function stageInWords(status: StageStatus, jobStatus: string): string {
  return isEnded(jobStatus) && status !== "completed" && status !== "failed" ? "stopped" : status;
}
