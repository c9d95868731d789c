import { isEnded } from "../api/jobStates";
import { useViewOptions, viewOptions } from "../draw/viewOptions";
import type { MomentKind } from "../player/Moments";
import { usePlayer, usePlayerState } from "../player/PlayerContext";
import { useRealtime } from "../realtime/RealtimeContext";
import { watchedStatus } from "../realtime/state";
import { TimeAxis } from "../results/TimeAxis";
import { IconButton, Toggle } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { Place } from "./Place";
import { SpeedChoice } from "./SpeedChoice";

/** `name` is what the buttons lead to: of the frames with a warning, the server keeps the first of each kind. */
const LEAPS: readonly { kind: MomentKind; name: string; key: string }[] = [
  { kind: "detection", name: "detection", key: "D" },
  { kind: "warning", name: "kind of warning", key: "W" },
  { kind: "event", name: "event", key: "E" },
];

/** Controls to play, step, choose a frame, and return to the newest one of a running job. */
export function Transport({ onHelp }: { onHelp: () => void }) {
  const player = usePlayer();
  const { following, playing, loops, error } = usePlayerState(player);
  const { curves } = useViewOptions();
  const status = useRealtime(watchedStatus);
  const ended = isEnded(status);
  const canFollow = !ended && status !== "queued";
  const live = following && canFollow;
  const moves = playing || live;
  const empty = player.timeline.length === 0;
  return (
    <div className="transport">
      <TimeAxis place={<Place />} />
      <div className="transport-buttons" role="group" aria-label="Playback">
        <IconButton icon="back" label="One frame back" disabled={empty} onClick={() => player.step(-1)} />
        <IconButton id="toggle-play-pause" icon={moves ? "pause" : "play"} disabled={empty && !live}
          label={moves ? (live ? "Freeze the picture" : "Pause") : "Play"} onClick={() => player.toggle()} />
        <IconButton icon="forward" label="One frame forward" disabled={empty} onClick={() => player.step(1)} />
        <SpeedChoice />
        <Toggle icon="again" label="Repeat at the end" on={loops} onChange={(on) => player.setLoops(on)} />
        <span className="leaps">
          {LEAPS.map(({ kind, name, key }) => (
            <span key={kind} className="leap">
              <button type="button" aria-label={`Previous ${name}`} title={`Previous ${name} (Shift+${key})`} disabled={empty} onClick={() => player.leap(kind, -1)}>‹</button>
              <span aria-hidden="true">{kind}</span>
              <button type="button" aria-label={`Next ${name}`} title={`Next ${name} (${key})`} disabled={empty} onClick={() => player.leap(kind, 1)}>›</button>
            </span>
          ))}
        </span>
        <Toggle id="toggle-curves" icon="curves" label="Curves of the metrics" on={curves} onChange={(on) => viewOptions.set({ curves: on })} />
        <button type="button" className="help-button" aria-label="Keys" title="Keys (?)" onClick={onHelp}>?</button>
        {canFollow && (
          <button type="button" className="live-button" aria-pressed={live} onClick={() => player.follow()}>
            <Icon name="live" /> Live
          </button>
        )}
      </div>
      {error !== null && <p className="warn-text" role="status">{error}</p>}
    </div>
  );
}
