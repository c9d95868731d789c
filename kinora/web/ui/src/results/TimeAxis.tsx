import { useState, type ReactNode } from "react";
import { useViewOptions } from "../draw/viewOptions";
import { usePlayer, usePlayerState } from "../player/PlayerContext";
import { extentOf, following, moved, zoomed, type RowWindow } from "../player/Window";
import { useRealtime } from "../realtime/RealtimeContext";
import { Curves } from "./Curves";
import { Scrubber } from "./Scrubber";

const ZOOM = 4;

/** The frames from left to right: the scrubber and, in step with it, the curves of the plugins' metrics. */
export function TimeAxis({ place }: { place: ReactNode }) {
  const player = usePlayer();
  usePlayerState(player);
  const { curves } = useViewOptions();
  const total = useRealtime((state) => state.framesTotal);
  const { timeline } = player;
  const row = Math.max(0, player.row);
  const extent = Math.max(1, extentOf(timeline.length, total, player.isComplete));
  const [chosen, setChosen] = useState<RowWindow | null>(null);
  const [seen, setSeen] = useState(row);
  // The window follows the frame when that moves, and stays where the user puts it while the frame rests.
  if (seen !== row) {
    setSeen(row);
    if (chosen) setChosen(following(chosen, row, extent));
  }
  const window = chosen ?? { first: 0, last: extent - 1 };
  const zoom = (factor: number, at = row) => setChosen(zoomed(chosen, factor, at, extent));
  const pan = (rows: number) => setChosen(chosen && moved(chosen, rows, extent));

  return (
    <div className="time-axis">
      {place}
      <div className="scrubber-box">
        <Scrubber row={row} window={window} onZoom={zoom} onPan={pan} />
        {chosen && (
          <input type="range" className="overview" aria-label="Part of the timeline" min={0} max={extent - (chosen.last - chosen.first + 1)} value={chosen.first}
            onChange={(event) => pan(event.target.valueAsNumber - chosen.first)} />
        )}
      </div>
      <div className="time-zoom" role="group" aria-label="Zoom of the timeline">
        <button type="button" aria-label="Show more of the timeline" title="Show more of the timeline" disabled={!chosen} onClick={() => zoom(1 / ZOOM)}>−</button>
        <button type="button" aria-label="Show less of the timeline, larger" title="Enlarge the timeline (wheel)" disabled={extent < 40} onClick={() => zoom(ZOOM)}>+</button>
      </div>
      {curves && <Curves row={row} window={window} />}
    </div>
  );
}
