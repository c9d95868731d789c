import { useEffect, useRef } from "react";
import type { TimingSummary } from "../api/generated";
import { paintScheduler } from "../realtime/paintScheduler";
import { useRealtimeContext } from "../realtime/RealtimeContext";
import { milliseconds } from "../ui/format";
import { drawTimings } from "./drawTimings";

/** A chart that changes more often cannot be read, and the picture needs the processor. */
const PAUSE_MS = 250;

interface TimingChartProps {
  plugin: string;
  /** Milliseconds per frame, drawn as a line. */
  budgetMs: number | null;
  /** The times over the whole job, shown if there are none of single frames. */
  summary: TimingSummary | null;
}

/** The plugin's times on its last frames: a bar up for run and one down for queue; lines for p50, p95 and budget. */
export function TimingChart({ plugin, budgetMs, summary }: TimingChartProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { store } = useRealtimeContext();

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const paint = paintScheduler(() => drawTimings(element, store.timings.get(plugin) ?? null, summary, budgetMs), PAUSE_MS);
    const resized = new ResizeObserver(paint.request);
    resized.observe(element);
    const unsubscribe = store.subscribe(paint.request);
    paint.request();
    return () => {
      resized.disconnect();
      unsubscribe();
      paint.cancel();
    };
  }, [store, plugin, budgetMs, summary]);

  const words = summary
    ? `Time per frame: half of the frames within ${milliseconds(summary.p50)}, 95% within ${milliseconds(summary.p95)}`
    : "Time per frame: nothing measured yet";
  return <canvas ref={canvas} className="timing-chart" role="img" aria-label={words} />;
}
