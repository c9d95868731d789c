/** A job's state and counts, in words. */
import type { JobSummary } from "../api/generated";
import { isEnded } from "../api/jobStates";
import type { Tone } from "../ui/Badge";
import { count, duration } from "../ui/format";

/** The state as a headline: a job can be done although plugins failed in it. */
export function headline(status: string, failed: number, plugins: number): { text: string; tone?: Tone } {
  if (failed === 0 || status !== "done") return { text: status };
  if (failed === plugins) return { text: plugins === 1 ? "done, its plugin failed" : "done, all plugins failed", tone: "bad" };
  return { text: `done, ${count(failed, "plugin")} failed`, tone: "warn" };
}

/** What a job has brought so far: frames, detections and time; for one that waits, its place. */
export function countsOf(job: JobSummary, status: string): string[] {
  if (status === "queued") return [job.queue_position === null ? "waits for its turn" : `number ${job.queue_position} in the queue`];
  const words = [count(job.frames_done, "frame")];
  // Jobs of earlier versions have not counted them.
  if (job.picture !== null || job.detections > 0) words.push(`${job.detections.toLocaleString("en")} found`);
  if (job.duration_ms !== null && isEnded(status)) words.push(duration(job.duration_ms / 1000));
  return words;
}
