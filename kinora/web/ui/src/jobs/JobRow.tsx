import type { JobSummary } from "../api/generated";
import { isEnded, statusIn } from "../api/jobStates";
import type { LiveJob } from "../realtime/state";
import { Badge } from "../ui/Badge";
import { moment } from "../ui/format";

interface JobRowProps {
  job: JobSummary;
  /** The job's state from realtime messages, which is newer. */
  live: LiveJob | undefined;
  href: string;
  current: boolean;
  onOpen: () => void;
}

export function JobRow({ job, live, href, current, onOpen }: JobRowProps) {
  const status = live?.status ?? statusIn(live?.stage, job.status);
  const progress = live?.progress ?? job.progress;
  return (
    <a className="job-row" href={href} aria-current={current ? "page" : undefined} onClick={onOpen}>
      <span className="job-row-head">
        <span className="job-source">{job.source}</span>
        <Badge text={status} />
      </span>
      <span className="job-row-foot">
        <span className="job-plugins">{job.plugins.join(" → ")}</span>
        <span>{isEnded(status) || progress === null ? moment(job.created_at) : `${progress}%`}</span>
      </span>
      {!isEnded(status) && <span className="job-progress" style={{ inlineSize: `${progress ?? 0}%` }} />}
    </a>
  );
}
