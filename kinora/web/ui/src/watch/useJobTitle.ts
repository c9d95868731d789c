import { useEffect } from "react";
import { isEnded, shownState } from "../api/jobStates";
import { useRealtime } from "../realtime/RealtimeContext";
import { watchedStatus, type RealtimeState } from "../realtime/state";

/** Let the tab's title say the watched job's state and per cent. */
export function useJobTitle(): void {
  const title = useRealtime(titleOf);
  useEffect(() => {
    document.title = title;
    return () => void (document.title = "Kinora");
  }, [title]);
}

export function titleOf(state: RealtimeState): string {
  const { job, lengthKnown, progress } = state;
  if (!job) return "Kinora";
  const status = watchedStatus(state);
  const share = lengthKnown && !isEnded(status) && status !== "queued" ? `${Math.floor(progress)}%` : null;
  const shown = shownState(status, state.stage);
  return [share, shown === "running" && share !== null ? null : shown, nameOf(job.source), "Kinora"].filter((word) => word !== null).join(" · ");
}

/** The last part of a path or address. */
function nameOf(source: string): string {
  return source.replace(/[?#].*$/, "").split("/").findLast((part) => part !== "") ?? source;
}
