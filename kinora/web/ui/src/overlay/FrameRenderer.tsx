import { useCallback, useEffect, useRef, useState } from "react";
import type { FrameData } from "../api/generated";
import { visibleDetections } from "../draw/detections";
import { viewOptions } from "../draw/viewOptions";
import { PicturePainter } from "../player/PicturePainter";
import { usePlayer } from "../player/PlayerContext";
import { useRealtimeContext } from "../realtime/RealtimeContext";
import { count } from "../ui/format";

/** The picture of the current frame with the results drawn over it. Painting does not render the component again. */
export function FrameRenderer() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const caption = useRef<HTMLParagraphElement>(null);
  const { store } = useRealtimeContext();
  const player = usePlayer();
  const [fault, setFault] = useState<string | null>(null);
  const [empty, setEmpty] = useState(true);

  const onShown = useCallback((frame: FrameData, reason: string | null) => {
    setFault(reason);
    player.shown.set(frame);
    setEmpty(false);
    if (caption.current) caption.current.textContent = describe(frame);
    if (canvas.current) {
      canvas.current.dataset.index = String(frame.index);
      canvas.current.dataset.found = String(visibleDetections(frame).length);
    }
  }, [player]);

  useEffect(() => {
    if (!canvas.current) return;
    const painter = new PicturePainter(canvas.current, player, viewOptions.get, onShown);
    const resized = new ResizeObserver(painter.poke);
    resized.observe(canvas.current);
    const leave = [store.subscribeToFrames, player.subscribe, viewOptions.subscribe].map((subscribe) => subscribe(painter.poke));
    painter.poke();
    return () => {
      resized.disconnect();
      for (const unsubscribe of leave) unsubscribe();
      painter.stop();
    };
  }, [store, player, onShown]);

  return (
    <figure className="frame-renderer">
      <canvas ref={canvas} aria-label="Picture with the plugins' results" role="img" aria-describedby="frame-caption" />
      <figcaption ref={caption} id="frame-caption" className="visually-hidden" />
      {empty && <p className="stage-message">Waiting for the first frame…</p>}
      {fault !== null && <p className="stage-message" role="status">No picture: {fault}</p>}
    </figure>
  );
}

function describe(frame: FrameData): string {
  const kinds = new Map<string, number>();
  for (const { kind } of visibleDetections(frame)) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const found = [...kinds].map(([kind, number]) => count(number, kind, `× ${kind}`)).join(", ");
  return `Frame ${frame.index}: ${found === "" ? "nothing found" : found}`;
}
