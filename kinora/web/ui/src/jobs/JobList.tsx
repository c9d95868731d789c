import { useEffect, useState } from "react";
import { STATUSES } from "../api/jobStates";
import { useMayOperate } from "../api/session";
import { useRealtime } from "../realtime/RealtimeContext";
import { Icon } from "../ui/Icon";
import { Notice } from "../ui/Notice";
import { jobLink } from "../ui/useRoute";
import { VirtualList } from "../ui/VirtualList";
import { ChosenJobs } from "./ChosenJobs";
import { JobRow } from "./JobRow";
import { Room } from "./Room";
import { useJobList, type JobQuery } from "./useJobList";

const EVERYTHING: JobQuery = { status: "", search: "" };
/** A search is sent when typing has paused for so long. */
const TYPING_MS = 200;

/** All jobs, newest first. The server searches and filters them, so that those not loaded are found too. */
export function JobList({ current, onOpen }: { current: string | null; onOpen: () => void }) {
  const [asked, setAsked] = useState(EVERYTHING);
  const query = usePaused(asked);
  const { jobs, loading, error, hasMore, more, refresh } = useJobList(query);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const live = useRealtime((state) => state.jobs);
  const choose = (id: string, on: boolean) => {
    const next = new Set(chosen);
    if (on) next.add(id);
    else next.delete(id);
    setChosen(next);
  };
  const chosenJobs = jobs.filter((job) => chosen.has(job.job_id));
  return (
    <section className="job-list" aria-label="Jobs">
      <div className="search-bar" role="search">
        <input type="search" aria-label="Search jobs" placeholder="Search source, plugin or id" maxLength={200} value={asked.search}
          onChange={(event) => setAsked({ ...asked, search: event.target.value })} />
        <select aria-label="Status of the jobs" value={asked.status} onChange={(event) => setAsked({ ...asked, status: event.target.value })}>
          <option value="">all</option>
          {STATUSES.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </div>
      {chosenJobs.length > 0 && <ChosenJobs jobs={chosenJobs} onClear={() => setChosen(new Set())} />}
      {error !== null && <Notice tone="bad">{error} <button type="button" className="link" onClick={refresh}>Try again</button></Notice>}
      {jobs.length === 0 && error === null && !loading && !hasMore && <NoJobs all={query.search === "" && query.status === ""} />}
      <VirtualList label="Jobs, newest first" count={jobs.length} rowRem={5.6} onEnd={more}
        renderRow={(index) => {
          const job = jobs[index];
          return job && (
            <JobRow key={job.job_id} job={job} live={live[job.job_id]} href={jobLink(job.job_id)} current={job.job_id === current} onOpen={onOpen}
              chosen={chosen.has(job.job_id)} onChoose={(on) => choose(job.job_id, on)} />
          );
        }}
      />
      {hasMore && <button type="button" className="link" onClick={more}>Load older jobs</button>}
      <Room />
    </section>
  );
}

/** `value` once it has not changed for a moment. */
function usePaused(value: JobQuery): JobQuery {
  const [paused, setPaused] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setPaused(value), TYPING_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return paused;
}

function NoJobs({ all }: { all: boolean }) {
  const first = useMayOperate() ? "Start one under New job, or drop a video on this page." : "They are listed here as soon as somebody starts one.";
  return (
    <div className="empty">
      <Icon name={all ? "film" : "search"} />
      <p><strong>{all ? "No jobs yet." : "No jobs match."}</strong></p>
      <p className="hint">{all ? first : "Search for fewer words, or in all states."}</p>
    </div>
  );
}
