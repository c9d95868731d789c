import { usePlayer } from "../player/PlayerContext";
import { useRealtime } from "../realtime/RealtimeContext";
import type { ShownWarning } from "../realtime/state";
import { count } from "../ui/format";
import { Icon } from "../ui/Icon";

/** The most plugins with a button of their own; the list of warnings has all. */
const SHOWN = 4;

/** The number of each plugin's warnings, leading to the first one's frame or, where that has none, to the list. */
export function WarningLine() {
  const groups = useRealtime((state) => state.warningGroups);
  const player = usePlayer();
  const names = [...new Set(groups.map(nameOf))];
  if (names.length === 0) return null;
  return (
    <div className="warning-line" role="group" aria-label="Warnings">
      {names.slice(0, SHOWN).map((name) => (
        <LeadingButton key={name} plugin={name} groups={groups.filter((group) => nameOf(group) === name)} onSeek={(index) => player.seekIndex(index)} />
      ))}
      {names.length > SHOWN && <button type="button" onClick={showList}>+{names.length - SHOWN}</button>}
    </div>
  );
}

const nameOf = ({ plugin }: ShownWarning) => plugin ?? "job";

function LeadingButton({ plugin, groups, onSeek }: { plugin: string; groups: readonly ShownWarning[]; onSeek: (index: number) => void }) {
  const first = groups.find(({ frameIndex }) => frameIndex !== null) ?? groups[0];
  const total = groups.reduce((sum, group) => sum + group.count, 0);
  const index = first?.frameIndex ?? null;
  const message = `: ${first?.message ?? ""}${index === null ? "" : ` (frame ${index})`}`;
  return (
    <button type="button" title={`${plugin}${message}`} data-bad={groups.some(({ severity }) => severity === "high")} onClick={() => (index === null ? showList() : onSeek(index))}>
      <Icon name="warning" />
      <span aria-hidden="true"><b>{total.toLocaleString("en")}</b> {plugin}</span>
      <span className="visually-hidden">{`${count(total, "warning")} of ${plugin}${message}`}</span>
    </button>
  );
}

function showList(): void {
  document.getElementById("warnings")?.scrollIntoView({ block: "start" });
}
