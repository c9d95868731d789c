import { useEffect, useRef, useSyncExternalStore } from "react";
import { usePlayer } from "../player/PlayerContext";
import type { RowWindow } from "../player/Window";
import { paintScheduler } from "../realtime/paintScheduler";
import { useRealtime } from "../realtime/RealtimeContext";
import { isEndless, type ShownWarning } from "../realtime/state";
import { clock } from "../ui/format";
import { drawTicks, INSET } from "./drawTicks";

const WHEEL_STEP = 1.002;

interface ScrubberProps {
  row: number;
  /** The rows from its left to its right end; the last of them may not be there yet. */
  window: RowWindow;
  onZoom: (factor: number, row: number) => void;
  onPan: (rows: number) => void;
}

const cameBack = ({ code }: ShownWarning) => code === "SOURCE_BACK";

/** A slider over the frames, with ticks at detections, events, warnings, cuts and outages of the source. */
export function Scrubber({ row, window: { first, last }, onZoom, onPan }: ScrubberProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const player = usePlayer();
  const { timeline } = player;
  const { list } = useSyncExternalStore(player.events.subscribe, player.events.get);
  const warned = useRealtime((state) => state.warningGroups);
  const endless = useRealtime(isEndless);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const happened = () => list.flatMap(({ index }) => (index === null ? [] : timeline.rowOf(index)));
    const rows = (groups: readonly ShownWarning[]) => groups.flatMap(({ frameIndex }) => (frameIndex === null ? [] : timeline.rowOf(frameIndex)));
    const paint = paintScheduler(() => {
      const marks = { warned: rows(warned.filter((group) => !cameBack(group))), events: happened(), outages: warned.some(cameBack) };
      drawTicks(element, timeline, marks, { first, last }, endless && !player.isComplete);
    });
    const resized = new ResizeObserver(paint.request);
    resized.observe(element);
    paint.request();
    // Playing only moves the thumb; the ticks are drawn again when there are more frames.
    let drawn = -1;
    const unsubscribe = player.subscribe(() => {
      if (timeline.length !== drawn) paint.request();
      drawn = timeline.length;
    });
    return () => {
      resized.disconnect();
      unsubscribe();
      paint.cancel();
    };
  }, [player, timeline, warned, list, endless, first, last]);

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const { left, width } = element.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - left - INSET) / (width - 2 * INSET)));
      const sideways = event.shiftKey ? event.deltaY : event.deltaX;
      if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) onPan(Math.round((sideways / width) * (last - first)));
      else onZoom(WHEEL_STEP ** -event.deltaY, Math.round(first + share * (last - first)));
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [first, last, onPan, onZoom]);

  const words = `${clock(timeline.time(row))}, frame ${timeline.index(row)}, ${timeline.found(row)} found`;
  return (
    <div className="scrubber" ref={box}>
      <canvas ref={canvas} aria-hidden="true" />
      <input type="range" aria-label="Frame" min={first} max={Math.max(first, last)} value={row} aria-valuetext={words}
        disabled={timeline.length === 0} onChange={(event) => player.seek(event.target.valueAsNumber)} />
    </div>
  );
}
