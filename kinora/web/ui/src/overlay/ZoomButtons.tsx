import { useEffect, useSyncExternalStore } from "react";
import { usePlayer } from "../player/PlayerContext";
import { onKeys } from "../ui/keys";

const STEP = 1.5;

/** Buttons that enlarge the picture; the wheel, two fingers and a double click do so too. */
export function ZoomButtons({ onZoom }: { onZoom: (factor: number) => void }) {
  const { view } = usePlayer();
  const zoom = useSyncExternalStore(view.subscribe, view.zoom);
  useEffect(
    () => onKeys({ "+": () => onZoom(STEP), "=": () => onZoom(STEP), "-": () => onZoom(1 / STEP), "0": () => view.reset() }),
    [onZoom, view],
  );
  return (
    <div className="zoom-buttons" role="group" aria-label="Zoom of the picture" data-zoomed={zoom > 1}>
      <button type="button" aria-label="Smaller" title="Smaller (−)" disabled={zoom === 1} onClick={() => onZoom(1 / STEP)}>−</button>
      <button type="button" id="zoom-reset" aria-label={`Whole picture, now at ${Math.round(100 * zoom)}%`} title="Whole picture (0)" disabled={zoom === 1}
        onClick={() => view.reset()}>{Math.round(100 * zoom)}%</button>
      <button type="button" aria-label="Larger" title="Larger (+)" onClick={() => onZoom(STEP)}>+</button>
    </div>
  );
}
