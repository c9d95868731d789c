import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { getJobs } from "../api/calls";
import type { JobSummary } from "../api/generated";
import { useRealtime } from "../realtime/RealtimeContext";
import { inWords } from "../ui/inWords";
import { deletions } from "./Deletions";

const PAGE = 50;
const MAX_JOBS = 2000;
const REFRESH_MS = 5000;

export interface JobQuery {
  /** Empty for any. */
  status: string;
  search: string;
}

export interface JobList {
  jobs: JobSummary[];
  /** True until the first answer to this query. */
  loading: boolean;
  error: string | null;
  hasMore: boolean;
  more: () => void;
  refresh: () => void;
}

interface Answer {
  query: JobQuery | null;
  jobs: JobSummary[];
  cursor: string | null;
  error: string | null;
}

const NOTHING: Answer = { query: null, jobs: [], cursor: null, error: null };

/** The server's jobs that fit `query`, newest first. The first page is kept up to date; older ones come by `more`. */
export function useJobList(query: JobQuery): JobList {
  const [answer, setAnswer] = useState<Answer>(NOTHING);
  const [round, setRound] = useState(0);
  const older = useRef<JobSummary[]>([]);
  const loading = useRef(false);
  const news = useRealtime(jobNews);
  const { ids: deleted } = useSyncExternalStore(deletions.subscribe, deletions.get);

  useEffect(() => {
    older.current = [];
  }, [query]);

  useEffect(() => {
    const abort = new AbortController();
    const load = () =>
      getJobs(query, null, PAGE, abort.signal).then(
        ({ jobs: newest, next_cursor }) => {
          const last = newest.at(-1)?.job_id;
          older.current = older.current.slice(older.current.findIndex((job) => job.job_id === last) + 1);
          const jobs = [...newest, ...older.current];
          setAnswer(({ cursor }) => ({ query, jobs, cursor: older.current.length === 0 ? next_cursor : cursor, error: null }));
        },
        (fault: unknown) => {
          if (!abort.signal.aborted) setAnswer((known) => ({ ...known, query, error: inWords(fault) }));
        },
      );
    void load();
    const timer = setInterval(() => void load(), REFRESH_MS);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [query, news, round]);

  const { cursor } = answer;
  const more = useCallback(() => {
    if (cursor === null || loading.current || answer.query !== query || answer.jobs.length >= MAX_JOBS) return;
    loading.current = true;
    getJobs(query, cursor, PAGE)
      .then(({ jobs: page, next_cursor }) => {
        older.current = [...older.current, ...page];
        setAnswer((known) => (known.query === query ? { ...known, jobs: [...known.jobs, ...page], cursor: next_cursor } : known));
      })
      .catch((fault: unknown) => setAnswer((known) => ({ ...known, error: inWords(fault) })))
      .finally(() => (loading.current = false));
  }, [answer.jobs.length, answer.query, cursor, query]);

  // A page of a search may be short although more follow.
  useEffect(() => {
    if (answer.query === query && answer.jobs.length < PAGE && query.search !== "") more();
  }, [answer, more, query]);

  const refresh = useCallback(() => setRound((known) => known + 1), []);
  return {
    jobs: answer.jobs.filter((job) => !deleted.includes(job.job_id)),
    loading: answer.query !== query,
    error: answer.error,
    hasMore: cursor !== null && answer.jobs.length < MAX_JOBS,
    more,
    refresh,
  };
}

/** A text that changes when a job starts, is deleted or changes its state. */
function jobNews(state: { isConnected: boolean; jobs: Record<string, { stage: string; status: string | null }> }): string {
  const jobs = Object.entries(state.jobs).map(([id, { stage, status }]) => `${id} ${status ?? stage}`);
  return `${state.isConnected} ${jobs.join()}`;
}
