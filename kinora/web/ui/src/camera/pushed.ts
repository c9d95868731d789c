/** Jobs on this browser's camera. */
import { PUSHED } from "../api/sources";
import { browserCamera } from "./BrowserCamera";
import { pushing } from "./Pushing";

/** The sentence about a job on this source that cannot be started yet; null if it can be. */
export function whyNotYet(source: string): string | null {
  if (source !== PUSHED) return null;
  const { step, why } = browserCamera.get();
  return step === "on" ? null : (why ?? "Turn this browser’s camera on first.");
}

/** Send this browser's camera to a job that was started on it. */
export function sendTo(jobId: string, source: string): void {
  if (source === PUSHED) pushing.start(jobId);
}
