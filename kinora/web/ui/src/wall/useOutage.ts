import { useEffect, useState } from "react";
import { getExtended } from "../api/calls";
import { outageInWords } from "../realtime/outage";
import { presentOutage, type LiveJob, type Outage } from "../realtime/state";

/** The outage of a job's source in words; null if there is none. Asks the server for what no message has told. */
export function useOutage(jobId: string, source: string, stage: string, live: LiveJob | undefined): string | null {
  const [told, setTold] = useState<Outage>({ since: null, why: null });
  const lost = stage === "reconnecting";
  const why = live?.outage?.why ?? null;
  useEffect(() => {
    if (!lost || why !== null) return;
    const abort = new AbortController();
    getExtended(jobId, abort.signal).then((job) => setTold(presentOutage(job)), () => undefined);
    return () => abort.abort();
  }, [jobId, lost, why]);
  return lost ? outageInWords({ since: live?.outage?.since ?? told.since, why: why ?? told.why }, source) : null;
}
