import { useEffect, useRef } from "react";
import { paintScheduler } from "../realtime/paintScheduler";
import { useRealtimeContext } from "../realtime/RealtimeContext";
import { milliseconds } from "../ui/format";
import { drawTimings } from "./drawTimings";
import type { Times } from "./times";

/** A chart that changes more often cannot be read, and the picture needs the processor. */
const PAUSE_MS = 250;

interface TimingChartProps {
  plugin: string;
  times: Times;
  /** Milliseconds per frame, drawn as a line; null if the plugin has no budget. */
  budgetMs: number | null;
}

/** A plugin's times, on the scale of all plugins: for each of the last frames its run and, above it, its waiting; or those of the whole job. */
export function TimingChart({ plugin, times, budgetMs }: TimingChartProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { store } = useRealtimeContext();

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const paint = paintScheduler(() => drawTimings(element, plugin, times, store.timings.get(plugin) ?? null, budgetMs), PAUSE_MS);
    const resized = new ResizeObserver(paint.request);
    resized.observe(element);
    const unsubscribe = store.subscribe(paint.request);
    paint.request();
    return () => {
      resized.disconnect();
      unsubscribe();
      paint.cancel();
    };
  }, [store, plugin, times, budgetMs]);

  const own = times.plugins.find(([name]) => name === plugin)?.[1];
  const words = own
    ? `Time per frame, ${own.words}: half of the frames within ${milliseconds(own.run.p50)}, 95% within ${milliseconds(own.run.p95)}`
    : "Time per frame: nothing measured yet";
  return <canvas ref={canvas} className="timing-chart" role="img" aria-label={words} />;
}
