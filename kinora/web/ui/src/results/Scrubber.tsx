import { useEffect, useRef } from "react";
import { usePlayer } from "../player/PlayerContext";
import { paintScheduler } from "../realtime/paintScheduler";
import { useRealtime } from "../realtime/RealtimeContext";
import { clock } from "../ui/format";
import { drawTicks } from "./drawTicks";

/** A slider over all frames, with ticks at detections, warnings and cuts. */
export function Scrubber({ row }: { row: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const player = usePlayer();
  const { timeline } = player;
  const warned = useRealtime((state) => state.warningGroups);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const draw = () =>
      drawTicks(
        element,
        timeline,
        warned.flatMap(({ frameIndex }) => (frameIndex === null ? [] : timeline.rowOf(frameIndex))),
      );
    const paint = paintScheduler(draw);
    const resized = new ResizeObserver(paint.request);
    resized.observe(element);
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
  }, [player, timeline, warned]);

  const last = Math.max(0, timeline.length - 1);
  const at = Math.max(0, row);
  const words = `${clock(timeline.time(at))}, frame ${timeline.index(at)}, ${timeline.found(at)} found`;
  return (
    <div className="scrubber">
      <canvas ref={canvas} aria-hidden="true" />
      <input type="range" aria-label="Frame" min={0} max={last} value={at} aria-valuetext={words}
        disabled={timeline.length === 0} onChange={(event) => player.seek(event.target.valueAsNumber)} />
    </div>
  );
}
