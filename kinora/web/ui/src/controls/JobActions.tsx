import { cancelJob, pauseJob, resumeJob } from "../api/calls";
import type { CancelAnswer, ExtendedJobResponse } from "../api/generated";
import { isEnded } from "../api/jobStates";
import { useMayOperate } from "../api/session";
import { Button } from "../ui/Button";
import { milliseconds } from "../ui/format";
import { Notice } from "../ui/Notice";
import { useAction } from "../ui/useAction";

interface JobActionsProps {
  job: ExtendedJobResponse;
  status: string;
  /** Called after an action, with its result in words. */
  onDone: (words: string | null) => void;
  onRunAgain: (job: ExtendedJobResponse) => void;
  onDeleted: () => void;
}

export function JobActions({ job, status, onDone, onRunAgain, onDeleted }: JobActionsProps) {
  const mayOperate = useMayOperate();
  const { busy, error, run } = useAction();
  const ended = isEnded(status);
  const paused = status === "paused";
  const id = job.job_id;

  const cancel = async () => onDone(cancelInWords(await cancelJob(id)));
  const pauseOrResume = async () => {
    await (paused ? resumeJob(id) : pauseJob(id));
    onDone(null);
  };
  const resume = async () => {
    await resumeJob(id);
    onDone(null);
  };

  if (!mayOperate) return null;
  return (
    <div className="job-actions">
      {!ended && (
        <>
          <Button icon="stop" kind="danger" busy={busy === "cancel"} onClick={() => run("cancel", cancel)}>
            {busy === "cancel" ? "Cancelling…" : "Cancel"}
          </Button>
          <Button icon={paused ? "play" : "pause"} busy={busy === "pause"} disabled={status === "queued" || busy !== null}
            onClick={() => run("pause", pauseOrResume)}>
            {paused ? "Resume" : "Pause"}
          </Button>
        </>
      )}
      {status === "interrupted" && (
        <Button icon="play" busy={busy === "resume"} onClick={() => run("resume", resume)}>
          Resume
        </Button>
      )}
      <Button icon="again" onClick={() => onRunAgain(job)}>
        Run again…
      </Button>
      {ended && (
        <Button icon="trash" kind="quiet" onClick={onDeleted}>
          Delete
        </Button>
      )}
      {error !== null && <Notice tone="bad">{error}</Notice>}
    </div>
  );
}

export function cancelInWords({ status, cancelled, cancel_ms: ms, pids = [] }: CancelAnswer): string {
  if (pids.length > 0) return `Still cancelling; not ended yet: ${pids.length === 1 ? "process" : "processes"} ${pids.join(", ")}.`;
  if (!cancelled) return `The job had already ended: ${status}.`;
  return `Cancelled: the job and all its processes were gone after ${milliseconds(ms)}.`;
}
