import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ExtendedJobResponse } from "../api/generated";
import { ControlPanel } from "../controls/ControlPanel";
import { JobStatus } from "../controls/JobStatus";
import { Transport } from "../controls/Transport";
import { RealtimeOverlay } from "../overlay/RealtimeOverlay";
import { Player } from "../player/Player";
import { PlayerContext } from "../player/PlayerContext";
import { useRealtime, useRealtimeContext } from "../realtime/RealtimeContext";
import { ResultTable } from "../results/ResultTable";
import { Notice } from "../ui/Notice";
import { KeyHelp } from "./KeyHelp";
import { useFrameLink } from "./useFrameLink";
import { useJobTitle } from "./useJobTitle";
import { usePlayerKeys } from "./usePlayerKeys";

interface WatchViewProps {
  jobId: string;
  onRunAgain: (job: ExtendedJobResponse) => void;
  onDeleted: () => void;
}

/** The view of one job. Give it the job's id as `key`, so that another job mounts it anew. */
export function WatchView({ jobId, onRunAgain, onDeleted }: WatchViewProps) {
  const { store } = useRealtimeContext();
  const [player] = useState(() => new Player(jobId, store));
  const stage = useRef<HTMLDivElement>(null);
  const [helps, setHelps] = useState(false);
  const openHelp = useCallback(() => setHelps(true), []);
  useFrameLink(player);
  usePlayerKeys(player, openHelp);
  useJobTitle();

  // Before the page is first painted, so that frames are loaded meanwhile.
  useLayoutEffect(() => {
    player.start();
    return () => player.stop();
  }, [player]);

  return (
    <PlayerContext value={player}>
      <div className="watch" ref={stage}>
        <RealtimeOverlay
          controls={<ControlPanel stage={stage} />}
          transport={
            <>
              <Missed />
              <Transport onHelp={openHelp} />
              <ResultTable jobId={jobId} />
            </>
          }
          status={<JobStatus onRunAgain={onRunAgain} onDeleted={onDeleted} />}
        />
        {helps && <KeyHelp onClose={() => setHelps(false)} />}
      </div>
    </PlayerContext>
  );
}

const NOTICE_MS = 12_000;

/** What was missed, for long enough to be read. */
function Missed() {
  const { dispatch } = useRealtimeContext();
  const missed = useRealtime((state) => state.missed);
  useEffect(() => {
    if (missed === null) return;
    const timer = setTimeout(() => dispatch({ type: "read" }), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [missed, dispatch]);
  return missed === null ? null : <Notice tone="info">{missed}</Notice>;
}
