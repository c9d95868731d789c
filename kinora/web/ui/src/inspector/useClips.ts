import { useEffect, useState } from "react";
import { getClips } from "../api/calls";
import type { ClipState } from "../api/generated";
import { useRealtime } from "../realtime/RealtimeContext";

/** The clips of a job's events by the events' numbers; asked for again with the job's next state, and when `asked` changes. */
export function useClips(jobId: string, asked: unknown): ReadonlyMap<number, ClipState> {
  const job = useRealtime((state) => state.job);
  const [clips, setClips] = useState<ReadonlyMap<number, ClipState>>(new Map());
  useEffect(() => {
    const abort = new AbortController();
    getClips(jobId, abort.signal).then(
      (found) => setClips(new Map(found.map((clip) => [clip.event, clip]))),
      () => undefined, // Those that are known stay.
    );
    return () => abort.abort();
  }, [jobId, job, asked]);
  return clips;
}
