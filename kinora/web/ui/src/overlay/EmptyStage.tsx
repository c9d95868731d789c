import type { ExtendedJobResponse } from "../api/generated";
import { isEnded } from "../api/jobStates";
import { useRealtime } from "../realtime/RealtimeContext";
import { lastReason, outageInWords } from "../realtime/outage";
import { watchedOutage, watchedStatus, type RealtimeState } from "../realtime/state";

/** What the picture waits for, or why there will be none. */
export function EmptyStage() {
  const { words, why } = useRealtime(stageInWords);
  return (
    <div className={why === null ? "stage-message stage-empty" : "stage-message stage-empty stage-fault"} role="status">
      <p>{words}</p>
      {why !== null && <p>{why}</p>}
    </div>
  );
}

export function stageInWords(state: RealtimeState): { words: string; why: string | null } {
  const { job, errors, stage, framesDone } = state;
  const status = watchedStatus(state);
  const why = errors.at(-1) ?? job?.error ?? null;
  if (job === null) return { words: why === null ? "Loading the job…" : "There is nothing to show.", why };
  if (isEnded(status) && framesDone === 0) return { words: `The job ended before its first frame: ${status}.`, why };
  if (isEnded(status)) return { words: "Loading the picture…", why: null };
  if (status === "queued") return { words: queueInWords(job), why: null };
  const outage = watchedOutage(state);
  if (outage !== null && status === "running") return { words: outageInWords({ ...outage, why: outage.why ?? lastReason(state.warningGroups) }, job.source), why: null };
  if (status === "paused") return { words: "Paused before the first frame.", why: null };
  return { words: stage === "preparing" ? "The plugins are getting ready…" : "Waiting for the first frame…", why: null };
}

function queueInWords({ queue_position: position, waiting_for: lacking }: ExtendedJobResponse): string {
  if (lacking !== null) return lacking;
  return position === null || position === 1 ? "Next in the queue: waiting for a job to end." : `Number ${position} in the queue.`;
}
