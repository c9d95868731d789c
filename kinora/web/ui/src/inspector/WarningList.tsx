import { useState } from "react";
import { usePlayer } from "../player/PlayerContext";
import { useRealtime } from "../realtime/RealtimeContext";
import type { ShownWarning } from "../realtime/state";
import { Badge } from "../ui/Badge";
import { count, moment } from "../ui/format";

const SHOWN = 4;

/** The watched job's warnings, grouped, with links to their frames. */
export function WarningList() {
  const groups = useRealtime((state) => state.warningGroups);
  const player = usePlayer();
  return <Warnings groups={groups} onJump={(index) => player.seekIndex(index)} />;
}

interface WarningsProps {
  groups: readonly ShownWarning[];
  onJump: (index: number) => void;
}

export function Warnings({ groups, onJump }: WarningsProps) {
  const [all, setAll] = useState(false);
  const total = groups.reduce((sum, group) => sum + group.count, 0);
  return (
    <div className="warning-list" id="warnings" data-empty={groups.length === 0}>
      <h2>
        Warnings {total > 0 && <Badge text={total.toLocaleString("en")} tone="warn" />}
      </h2>
      <div role="log" aria-live="polite" aria-label="Warnings, live">
        {groups.length === 0 && <p className="hint">None.</p>}
        <ul>
          {groups.slice(0, all ? undefined : SHOWN).map((group) => (
            <Warning key={group.key} group={group} onJump={onJump} />
          ))}
        </ul>
      </div>
      {groups.length > SHOWN && (
        <button type="button" className="link" onClick={() => setAll(!all)} aria-expanded={all}>
          {all ? "Show fewer" : `Show all ${count(groups.length, "kind")}`}
        </button>
      )}
    </div>
  );
}

function Warning({ group, onJump }: { group: ShownWarning; onJump: (index: number) => void }) {
  const { plugin, message, code, severity, frameIndex, at } = group;
  return (
    <li className="warning">
      <div className="warning-head">
        <strong>{plugin ?? "job"}</strong>
        <Badge text={severity} />
        <code>{code}</code>
        {group.count > 1 && <span className="times">× {group.count.toLocaleString("en")}</span>}
        {at !== null && <time className="hint" dateTime={at}>{moment(at)}</time>}
        {frameIndex !== null && (
          <button type="button" className="link" onClick={() => onJump(frameIndex)}>
            frame {frameIndex}
          </button>
        )}
      </div>
      <p>{message}</p>
    </li>
  );
}
