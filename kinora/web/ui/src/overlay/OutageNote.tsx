import { usePlayer, usePlayerState } from "../player/PlayerContext";
import { lastReason, outageInWords, receivedAt } from "../realtime/outage";
import { useRealtime } from "../realtime/RealtimeContext";
import { watchedOutage, watchedStatus } from "../realtime/state";

/** Over the picture, while the job's source gives none: since when, and why. */
export function OutageNote() {
  const player = usePlayer();
  usePlayerState(player);
  const outage = useRealtime((state) => (watchedStatus(state) === "running" ? watchedOutage(state) : null));
  const reason = useRealtime((state) => lastReason(state.warningGroups));
  const source = useRealtime(({ job }) => job?.source ?? "");
  if (outage === null) return null;
  const last = player.timeline.length === 0 ? null : player.frameAt(player.timeline.index(player.timeline.length - 1));
  return (
    <p className="stage-outage" role="status">
      <span className="dot" /> {outageInWords({ since: receivedAt(last) ?? outage.since, why: outage.why ?? reason }, source)}
    </p>
  );
}
