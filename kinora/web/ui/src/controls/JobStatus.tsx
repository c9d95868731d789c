import { useState, type ReactNode } from "react";
import type { ExtendedJobResponse } from "../api/generated";
import { isEnded, shownState, statusIn } from "../api/jobStates";
import { useRealtime, useRealtimeContext } from "../realtime/RealtimeContext";
import { Badge } from "../ui/Badge";
import { headline } from "../jobs/jobWords";
import { duration, milliseconds, moment } from "../ui/format";
import { Notice } from "../ui/Notice";
import { JobActions } from "./JobActions";

interface JobStatusProps {
  onRunAgain: (job: ExtendedJobResponse) => void;
  onDeleted: () => void;
}

/** The state of the watched job, and the actions on it. Of a job without frames, the last error stands where its picture would be. */
export function JobStatus({ onRunAgain, onDeleted }: JobStatusProps) {
  const { refresh } = useRealtimeContext();
  const job = useRealtime((state) => state.job);
  const liveStatus = useRealtime((state) => state.jobs[state.jobId ?? ""]?.status ?? null);
  const stage = useRealtime((state) => state.stage);
  const errors = useRealtime((state) => state.errors);
  const framesDone = useRealtime((state) => state.framesDone);
  const [said, setSaid] = useState<string | null>(null);
  if (!job) {
    return (
      <section className="job-status" aria-label="Job">
        {errors.length > 0 ? <Errors errors={errors} /> : <p className="hint">Loading the job…</p>}
      </section>
    );
  }
  const status = liveStatus ?? statusIn(stage, job.status);
  return (
    <section className="job-status" aria-label="Job">
      <header>
        <h2 title={job.source}>{job.source}</h2>
        <Badge {...headline(shownState(status, stage), failedPlugins(job), Object.keys(job.plugins).length)} />
      </header>
      <JobActions job={job} status={status} onRunAgain={onRunAgain} onDeleted={onDeleted} onDone={(words) => {
        setSaid(words);
        refresh();
      }} />
      <p className="said" role="status">{said ?? cancelledInWords(job)}</p>
      <Errors errors={isEnded(status) && framesDone === 0 ? errors.slice(0, -1) : errors} />
      {status === "queued" && job.waiting_for !== null && <Notice tone="info">{job.waiting_for}</Notice>}
      {job.fallback && (
        <Notice tone="warn">
          Runs on {job.device_used} instead of {job.device_requested}: {job.fallback_reason}.
        </Notice>
      )}
      <Facts job={job} />
    </section>
  );
}

const failedPlugins = (job: ExtendedJobResponse) => Object.values(job.plugins).filter((plugin) => plugin.status === "failed").length;

function Errors({ errors }: { errors: readonly string[] }) {
  return errors.map((error) => <Notice key={error} tone="bad">{error}</Notice>);
}

function cancelledInWords(job: ExtendedJobResponse): string {
  return job.status === "cancelled" && job.cancel_ms !== null ? `Cancelling took ${milliseconds(job.cancel_ms)}.` : "";
}

function Facts({ job }: { job: ExtendedJobResponse }) {
  const facts: [string, ReactNode][] = [
    ["Device", job.device_used],
    ["Agent", job.agent === null ? null : <a href="#/agents">{job.agent}</a>],
    ["Created", moment(job.created_at)],
    ["Took", job.finished_at === null || job.duration_ms === null ? null : duration(job.duration_ms / 1000)],
    ["Place in queue", job.queue_position === null ? null : String(job.queue_position)],
    ["Frames dropped", job.frames_dropped === 0 ? null : job.frames_dropped.toLocaleString("en")],
    ["Job", job.job_id.slice(0, 8)],
  ];
  return (
    <dl className="facts">
      {facts.map(([term, value]) => value !== null && (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
