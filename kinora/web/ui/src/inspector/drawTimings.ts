import { sharpCanvas } from "../draw/sharpCanvas";
import { HISTORY_FRAMES, type TimingHistory } from "../realtime/TimingHistory";
import type { Times } from "./times";

/** Draw a plugin's times into `canvas`, in the page's colours, from 0 to `times.top`. All words are beside the chart. */
export function drawTimings(canvas: HTMLCanvasElement, plugin: string, times: Times, history: TimingHistory | null, budgetMs: number | null): void {
  const context = sharpCanvas(canvas);
  if (!context) return;
  const color = paletteOf(canvas);
  if (times.recent && history) drawFrames(context, canvas, history, times.top, color, budgetMs);
  else drawJob(context, canvas, plugin, times, color, budgetMs);
}

/** A bar for each frame: run below, waiting on it. A bar that is too long for the scale ends with a cap. */
function drawFrames(context: CanvasRenderingContext2D, { clientWidth, clientHeight }: HTMLCanvasElement, history: TimingHistory, top: number, color: Palette, budgetMs: number | null): void {
  const step = clientWidth / HISTORY_FRAMES;
  const left = clientWidth - history.length * step;
  const tall = (ms: number) => (ms / top) * clientHeight;
  for (let position = 0; position < history.length; position++) {
    const { runMs, queueMs } = history.at(position);
    const [x, width] = [left + position * step, Math.max(1, step - 0.6)];
    const run = Math.min(clientHeight, tall(runMs));
    const queue = Math.min(clientHeight - run, tall(queueMs));
    context.fillStyle = budgetMs !== null && runMs > budgetMs ? color.over : color.run;
    context.fillRect(x, clientHeight - run, width, run);
    context.fillStyle = color.queue;
    context.fillRect(x, clientHeight - run - queue, width, queue);
    if (runMs + queueMs <= top) continue;
    context.fillStyle = color.line;
    context.fillRect(x, 0, width, 2);
  }
  if (budgetMs === null || budgetMs > top) return;
  context.fillStyle = color.budget;
  context.fillRect(0, Math.round(clientHeight - tall(budgetMs)), clientWidth, 1);
}

/** Two bars from left to right, run and waiting: half of the frames end within the full part, 95% within the pale one. */
function drawJob(context: CanvasRenderingContext2D, { clientWidth, clientHeight }: HTMLCanvasElement, plugin: string, times: Times, color: Palette, budgetMs: number | null): void {
  const own = times.plugins.find(([name]) => name === plugin)?.[1];
  if (!own) return;
  const long = (ms: number) => (ms / times.top) * clientWidth;
  const height = Math.floor(clientHeight / 2) - 2;
  ([[own.run, color.run, 1], [own.queue, color.queue, height + 3]] as const).forEach(([{ p50, p95 }, fill, y]) => {
    context.fillStyle = fill;
    context.globalAlpha = 0.45;
    context.fillRect(0, y, Math.max(1, long(p95)), height);
    context.globalAlpha = 1;
    context.fillRect(0, y, Math.max(1, long(p50)), height);
  });
  if (budgetMs === null || budgetMs > times.top) return;
  context.fillStyle = color.budget;
  context.fillRect(Math.round(long(budgetMs)), 0, 1, height + 2);
}

interface Palette {
  run: string;
  queue: string;
  over: string;
  line: string;
  budget: string;
}

function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const color = (name: string) => style.getPropertyValue(name);
  return {
    run: color("--accent-bar"),
    queue: color("--queue-bar"),
    over: color("--bad-bar"),
    line: color("--text-soft"),
    budget: color("--warn-text"),
  };
}
