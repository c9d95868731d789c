import { useEffect, useState } from "react";
import { getExtended } from "../api/calls";
import type { LostReason } from "../api/generated";
import { lastReason, outageInWords } from "../realtime/outage";
import type { LiveJob } from "../realtime/state";

/** The outage of a job's source in words; null if there is none. Asks the server for a reason that no message has told. */
export function useOutage(jobId: string, stage: string, live: LiveJob | undefined): string | null {
  const [told, setTold] = useState<LostReason | null>(null);
  const lost = stage === "reconnecting";
  const why = live?.outage?.why ?? null;
  useEffect(() => {
    if (!lost || why !== null) return;
    const abort = new AbortController();
    getExtended(jobId, abort.signal).then(({ warning_groups: groups }) => setTold(lastReason(groups)), () => undefined);
    return () => abort.abort();
  }, [jobId, lost, why]);
  return lost ? outageInWords({ since: live?.outage?.since ?? null, why: why ?? told }) : null;
}
