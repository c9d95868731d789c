import { useEffect, useState } from "react";
import { getClips } from "../api/calls";
import type { ClipState } from "../api/generated";
import { useRealtime } from "../realtime/RealtimeContext";

/** The pause after which clips that are being encoded are asked for again. */
const AGAIN_MS = 2_000;

/**
 * The clips of a job's events by the events' numbers; asked for again with the job's next state, when another event is
 * chosen, and while its clip is being encoded.
 */
export function useClips(jobId: string, chosen: number | undefined): ReadonlyMap<number, ClipState> {
  const job = useRealtime((state) => state.job);
  const [clips, setClips] = useState<ReadonlyMap<number, ClipState>>(new Map());
  const [again, setAgain] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    getClips(jobId, abort.signal).then(
      (found) => setClips(new Map(found.map((clip) => [clip.event, clip]))),
      () => undefined, // Those that are known stay.
    );
    return () => abort.abort();
  }, [jobId, job, chosen, again]);
  const waits = chosen !== undefined && clips.get(chosen)?.to_encode === true;
  useEffect(() => {
    if (!waits) return undefined;
    const timer = setInterval(() => setAgain((times) => times + 1), AGAIN_MS);
    return () => clearInterval(timer);
  }, [waits]);
  return clips;
}
