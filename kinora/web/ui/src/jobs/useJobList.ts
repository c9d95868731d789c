import { useCallback, useEffect, useRef, useState } from "react";
import { getJobs } from "../api/calls";
import type { JobSummary } from "../api/generated";
import { useRealtime } from "../realtime/RealtimeContext";
import { inWords } from "../ui/inWords";

const PAGE = 50;
const MAX_JOBS = 2000;
const REFRESH_MS = 5000;

export interface JobList {
  jobs: JobSummary[];
  error: string | null;
  hasMore: boolean;
  more: () => void;
  refresh: () => void;
}

/** The server's jobs, newest first. The first page is kept up to date; older ones are fetched by `more`. */
export function useJobList(): JobList {
  const [jobs, setJobs] = useState<JobSummary[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [round, setRound] = useState(0);
  const older = useRef<JobSummary[]>([]);
  const loading = useRef(false);
  const news = useRealtime(jobNews);

  useEffect(() => {
    const abort = new AbortController();
    const load = () =>
      getJobs(null, PAGE, abort.signal).then(
        ({ jobs: newest, next_cursor }) => {
          const last = newest.at(-1)?.job_id;
          older.current = older.current.slice(older.current.findIndex((job) => job.job_id === last) + 1);
          setJobs([...newest, ...older.current]);
          if (older.current.length === 0) setCursor(next_cursor);
          setError(null);
        },
        (fault: unknown) => {
          if (!abort.signal.aborted) setError(inWords(fault));
        },
      );
    void load();
    const timer = setInterval(() => void load(), REFRESH_MS);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [news, round]);

  const more = () => {
    if (cursor === null || loading.current || jobs.length >= MAX_JOBS) return;
    loading.current = true;
    getJobs(cursor, PAGE)
      .then(({ jobs: page, next_cursor }) => {
        older.current = [...older.current, ...page];
        setJobs((known) => [...known, ...page]);
        setCursor(next_cursor);
      })
      .catch((fault: unknown) => setError(inWords(fault)))
      .finally(() => (loading.current = false));
  };
  const refresh = useCallback(() => setRound((known) => known + 1), []);
  return { jobs, error, hasMore: cursor !== null && jobs.length < MAX_JOBS, more, refresh };
}

/** A text that changes when a job starts, is deleted or changes its state. */
function jobNews(state: { isConnected: boolean; jobs: Record<string, { stage: string; status: string | null }> }): string {
  const jobs = Object.entries(state.jobs).map(([id, { stage, status }]) => `${id} ${status ?? stage}`);
  return `${state.isConnected} ${jobs.join()}`;
}
