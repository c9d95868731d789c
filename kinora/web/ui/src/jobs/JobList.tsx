import { useState } from "react";
import type { JobSummary } from "../api/generated";
import { STATUSES } from "../api/jobStates";
import { useRealtime } from "../realtime/RealtimeContext";
import { Notice } from "../ui/Notice";
import { jobLink } from "../ui/useRoute";
import { VirtualList } from "../ui/VirtualList";
import { JobRow } from "./JobRow";
import { useJobList } from "./useJobList";

/** All jobs, newest first, with a search over source, plugins, id and status. */
export function JobList({ current, onOpen }: { current: string | null; onOpen: () => void }) {
  const { jobs, error, hasMore, more, refresh } = useJobList();
  const [search, setSearch] = useState("");
  const [status, setStatus] = useState("");
  const live = useRealtime((state) => state.jobs);
  const shown = jobs.filter((job) => (status === "" || (live[job.job_id]?.status ?? job.status) === status) && matches(job, search));
  return (
    <section className="job-list" aria-label="Jobs">
      <div className="search-bar" role="search">
        <input type="search" aria-label="Search jobs" placeholder="Search" title="By source, plugin or id" value={search}
          onChange={(event) => setSearch(event.target.value)} />
        <select aria-label="Status of the jobs" value={status} onChange={(event) => setStatus(event.target.value)}>
          <option value="">all</option>
          {STATUSES.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </div>
      {error !== null && <Notice tone="bad">{error} <button type="button" className="link" onClick={refresh}>Try again</button></Notice>}
      {shown.length === 0 && error === null && <p className="hint">{jobs.length === 0 ? "No jobs yet." : "No jobs match."}</p>}
      <VirtualList label="Jobs, newest first" count={shown.length} rowRem={4.25} onEnd={more}
        renderRow={(index) => {
          const job = shown[index];
          return job && <JobRow job={job} live={live[job.job_id]} href={jobLink(job.job_id)} current={job.job_id === current} onOpen={onOpen} />;
        }}
      />
      {hasMore && <button type="button" className="link" onClick={more}>Load older jobs</button>}
    </section>
  );
}

export function matches(job: JobSummary, search: string): boolean {
  const text = `${job.source} ${job.job_id} ${job.plugins.join(" ")} ${job.status}`.toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}
