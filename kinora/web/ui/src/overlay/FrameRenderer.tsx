import { useCallback, useEffect, useRef, useState } from "react";
import type { FrameData } from "../api/generated";
import { visibleDetections } from "../draw/detections";
import { allClasses, classInWords } from "../draw/shapes";
import { viewOptions } from "../draw/viewOptions";
import { PicturePainter } from "../player/PicturePainter";
import { usePlayer } from "../player/PlayerContext";
import { useRealtimeContext } from "../realtime/RealtimeContext";
import { count } from "../ui/format";
import { EmptyStage } from "./EmptyStage";
import { OutageNote } from "./OutageNote";
import { PictureTip } from "./PictureTip";
import { PictureTouch, type Touched } from "./PictureTouch";
import { ZoomButtons } from "./ZoomButtons";

/** The picture of the current frame with the results drawn over it. Painting does not render the component again. */
export function FrameRenderer() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const caption = useRef<HTMLParagraphElement>(null);
  const zoom = useRef<(factor: number) => void>(() => undefined);
  const { store } = useRealtimeContext();
  const player = usePlayer();
  const [fault, setFault] = useState<string | null>(null);
  const [empty, setEmpty] = useState(true);
  const [touched, setTouched] = useState<Touched | null>(null);

  const onZoom = useCallback((factor: number) => zoom.current(factor), []);
  const onShown = useCallback((frame: FrameData, reason: string | null) => {
    setFault(reason);
    player.shown.set(frame);
    setEmpty(false);
    const visible = visibleDetections(frame, viewOptions.get());
    if (caption.current) caption.current.textContent = describe(frame);
    if (canvas.current) {
      canvas.current.dataset.index = String(frame.index);
      canvas.current.dataset.found = String(visible.length);
    }
  }, [player]);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const painter = new PicturePainter(element, player, viewOptions.get, onShown);
    const touch = new PictureTouch(element, painter, player, setTouched);
    zoom.current = (factor) => painter.zoomBy(factor, { x: element.clientWidth / 2, y: element.clientHeight / 2 });
    const resized = new ResizeObserver(painter.poke);
    resized.observe(element);
    const sources = [store.subscribeToFrames, player.subscribe, viewOptions.subscribe, player.picked.subscribe, player.view.subscribe];
    const leave = sources.map((subscribe) => subscribe(painter.poke));
    painter.poke();
    return () => {
      resized.disconnect();
      for (const unsubscribe of leave) unsubscribe();
      touch.stop();
      painter.stop();
    };
  }, [store, player, onShown]);

  return (
    <figure className="frame-renderer">
      <canvas ref={canvas} aria-label="Picture with the plugins' results" role="img" aria-describedby="frame-caption" />
      <figcaption ref={caption} id="frame-caption" className="visually-hidden" />
      {touched && <PictureTip touched={touched} />}
      {empty ? <EmptyStage /> : <ZoomButtons onZoom={onZoom} />}
      {!empty && <OutageNote />}
      {fault !== null && <p className="stage-message" role="status">{fault}</p>}
    </figure>
  );
}

function describe(frame: FrameData): string {
  const kinds = new Map<string, number>();
  for (const { kind } of visibleDetections(frame, viewOptions.get())) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const things = [...kinds].map(([kind, number]) => count(number, kind, `× ${kind}`));
  const found = [...allClasses(frame, viewOptions.get()).map(classInWords), ...things].join(", ");
  return `Frame ${frame.index}: ${found === "" ? "nothing found" : found}`;
}
