import { useSyncExternalStore } from "react";
import { isEnded } from "../api/jobStates";
import { usePlayer, usePlayerState } from "../player/PlayerContext";
import { useRealtime } from "../realtime/RealtimeContext";
import { watchedStatus } from "../realtime/state";
import { Scrubber } from "../results/Scrubber";
import { IconButton } from "../ui/Button";
import { clock } from "../ui/format";
import { Icon } from "../ui/Icon";

/** The time and number of the frame on the screen, which may lag behind the scrubber while a picture is fetched. */
function Place() {
  const { shown } = usePlayer();
  const frame = useSyncExternalStore(shown.subscribe, shown.get);
  return <p className="place">{frame === null ? "–" : `${clock(frame.timestamp_ms)} · frame ${frame.index}`}</p>;
}

/** Controls to play, step, choose a frame, and return to the newest one of a running job. */
export function Transport() {
  const player = usePlayer();
  const { following, playing, error } = usePlayerState(player);
  const ended = useRealtime((state) => isEnded(watchedStatus(state)));
  const live = following && !ended;
  const moves = playing || live;
  const { timeline, row } = player;
  return (
    <div className="transport">
      <div className="transport-buttons" role="group" aria-label="Playback">
        <IconButton icon="back" label="One frame back" onClick={() => player.step(-1)} disabled={timeline.length === 0} />
        <IconButton id="toggle-play-pause" icon={moves ? "pause" : "play"}
          label={moves ? (live ? "Freeze the picture" : "Pause") : "Play"} onClick={() => player.toggle()} />
        <IconButton icon="forward" label="One frame forward" onClick={() => player.step(1)} disabled={timeline.length === 0} />
      </div>
      <Scrubber row={row} />
      <Place />
      {!ended && (
        <button type="button" className="live-button" aria-pressed={live} onClick={() => player.follow()}>
          <Icon name="live" /> Live
        </button>
      )}
      {error !== null && <p className="warn-text" role="status">{error}</p>}
    </div>
  );
}
