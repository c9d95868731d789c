import type { JobSummary } from "../api/generated";
import { isEnded, shownState, statusIn } from "../api/jobStates";
import type { LiveJob } from "../realtime/state";
import { Badge } from "../ui/Badge";
import { count, moment } from "../ui/format";
import { countsOf, headline } from "./jobWords";
import { pictureOf, Thumbnail } from "./Thumbnail";

interface JobRowProps {
  job: JobSummary;
  /** The job's state from realtime messages, which is newer. */
  live: LiveJob | undefined;
  href: string;
  current: boolean;
  onOpen: () => void;
  chosen?: boolean;
  /** Called when the job is chosen for an action on several jobs, or no longer. */
  onChoose?: (chosen: boolean) => void;
}

export function JobRow({ job, live, href, current, onOpen, chosen = false, onChoose }: JobRowProps) {
  const status = live?.status ?? statusIn(live?.stage, job.status);
  const progress = live?.progress ?? job.progress;
  const isLive = !isEnded(status);
  const id = job.job_id.slice(0, 8);
  return (
    <div className="job-row-box" data-chosen={chosen}>
      {onChoose && (
        <label className="job-choice">
          <input type="checkbox" checked={chosen} aria-label={`Choose ${job.source}, ${id}`} onChange={(event) => onChoose(event.target.checked)} />
        </label>
      )}
      <a className="job-row" href={href} aria-current={current ? "page" : undefined} onClick={onOpen}>
        <Thumbnail jobId={job.job_id} index={pictureOf(job)} />
        <span className="job-row-text">
          <span className="job-row-head">
            <span className="job-source" title={job.source}>{job.source}</span>
            <span className="hint">{isLive && status !== "queued" && progress !== null ? `${progress}%` : moment(job.created_at)}</span>
          </span>
          <span className="job-row-state">
            <Badge {...headline(shownState(status, live?.stage ?? job.stage), job.plugins_failed.length, job.plugins.length)} />
            {job.warnings_count > 0 && <Badge text={count(job.warnings_count, "warning")} tone="warn" />}
            <span className="job-plugins" title={job.plugins.join(" → ")}>{job.plugins.join(" → ")}</span>
          </span>
          <span className="job-counts">{countsOf({ ...job, frames_done: live?.framesDone ?? job.frames_done }, status).join(" · ")}</span>
        </span>
        {isLive && progress !== null && <span className="job-progress" style={{ inlineSize: `${progress}%` }} />}
      </a>
    </div>
  );
}
