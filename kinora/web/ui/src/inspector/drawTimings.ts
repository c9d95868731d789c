import type { TimingSummary } from "../api/types";
import { sharpCanvas } from "../draw/sharpCanvas";
import { HISTORY_FRAMES, type TimingHistory } from "../realtime/TimingHistory";
import { milliseconds } from "../ui/format";

const HEADROOM = 1.15;
const FONT = "10px system-ui, sans-serif";

interface Scale {
  width: number;
  height: number;
  top: number;
}

/** Draw a plugin's times into `canvas`, in the colours of the page. */
export function drawTimings(
  canvas: HTMLCanvasElement,
  history: TimingHistory | null,
  summary: TimingSummary | null,
  budgetMs: number | null,
): void {
  const context = sharpCanvas(canvas);
  if (!context) return;
  const color = paletteOf(canvas);
  const p50 = history?.percentile(0.5) ?? summary?.p50 ?? null;
  const p95 = history?.percentile(0.95) ?? summary?.p95 ?? null;
  const top = HEADROOM * Math.max(0.5, highest(history), p95 ?? 0, budgetMs !== null && p95 !== null ? budgetMs : 0);
  const scale = { width: canvas.clientWidth, height: canvas.clientHeight, top };
  if (history) drawBars(context, history, scale, color, budgetMs);
  else if (summary) return drawSummary(context, summary, canvas.clientWidth, canvas.clientHeight, color);
  context.font = FONT;
  if (budgetMs !== null) drawLine(context, budgetMs, `budget ${milliseconds(budgetMs)}`, scale, color.budget, []);
  if (p95 !== null) drawLine(context, p95, `p95 ${milliseconds(p95)}`, scale, color.line, [2, 3]);
  if (p50 !== null) drawLine(context, p50, `p50 ${milliseconds(p50)}`, scale, color.line, [6, 3]);
}

function highest(history: TimingHistory | null): number {
  let top = 0;
  for (let i = 0; i < (history?.length ?? 0); i++) {
    const sample = history?.at(i);
    if (sample) top = Math.max(top, sample.runMs + sample.queueMs);
  }
  return top;
}

function drawBars(
  context: CanvasRenderingContext2D,
  history: TimingHistory,
  { width, height, top }: Scale,
  color: Palette,
  budgetMs: number | null,
): void {
  const step = width / HISTORY_FRAMES;
  const left = width - history.length * step;
  for (let i = 0; i < history.length; i++) {
    const { runMs, queueMs } = history.at(i);
    const run = (runMs / top) * height;
    const queue = (queueMs / top) * height;
    context.fillStyle = budgetMs !== null && runMs > budgetMs ? color.over : color.run;
    context.fillRect(left + i * step, height - run, Math.max(1, step - 0.6), run);
    context.fillStyle = color.queue;
    context.fillRect(left + i * step, height - run - queue, Math.max(1, step - 0.6), queue);
  }
}

/** Without single times: half of the frames within the dark part, 95% within the light one, all within the line. */
function drawSummary(context: CanvasRenderingContext2D, summary: TimingSummary, width: number, height: number, color: Palette): void {
  const unit = (width - 8) / Math.max(summary.max, 0.001);
  const middle = Math.round(height * 0.4);
  const [p50, p95, max] = [summary.p50 * unit, summary.p95 * unit, summary.max * unit];
  context.fillStyle = color.line;
  context.fillRect(4, middle, max, 1);
  context.fillRect(4 + max - 1, middle - 5, 1, 11);
  context.fillStyle = color.queue;
  context.fillRect(4, middle - 8, p95, 17);
  context.fillStyle = color.run;
  context.fillRect(4, middle - 8, p50, 17);
  context.fillStyle = color.line;
  context.font = FONT;
  context.textBaseline = "bottom";
  context.textAlign = "left";
  context.fillText(`p50 ${milliseconds(summary.p50)} · p95 ${milliseconds(summary.p95)}`, 4, height - 3);
  context.textAlign = "right";
  context.fillText(`max ${milliseconds(summary.max)}`, width - 4, height - 3);
}

function drawLine(
  context: CanvasRenderingContext2D,
  ms: number,
  text: string,
  { width, height, top }: Scale,
  color: string,
  dash: number[],
): void {
  const y = Math.round(height - (ms / top) * height) + 0.5;
  context.strokeStyle = context.fillStyle = color;
  context.lineWidth = 1;
  context.setLineDash(dash);
  context.beginPath();
  context.moveTo(0, y);
  context.lineTo(width, y);
  context.stroke();
  context.setLineDash([]);
  context.textBaseline = y < 14 ? "top" : "bottom";
  context.textAlign = text.startsWith("p50") ? "left" : "right";
  context.fillText(text, text.startsWith("p50") ? 2 : width - 2, y < 14 ? y + 2 : y - 2);
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
