import type { TimingSummary } from "../api/generated";
import { sharpCanvas } from "../draw/sharpCanvas";
import { HISTORY_FRAMES, type TimingHistory, type TimingSample } from "../realtime/TimingHistory";
import { milliseconds } from "../ui/format";

const HEADROOM = 1.15;
const FONT = "10px system-ui, sans-serif";

/** The share of the height above the base line, for run times. Queue times are below it, in a scale of their own. */
const BASE = 0.7;

interface Scale {
  width: number;
  height: number;
  /** The milliseconds that the full height stands for. */
  top: number;
}

/** Draw a plugin's times into `canvas`, in the page's colours. */
export function drawTimings(
  canvas: HTMLCanvasElement,
  history: TimingHistory | null,
  summary: TimingSummary | null,
  budgetMs: number | null,
): void {
  const context = sharpCanvas(canvas);
  if (!context) return;
  const { clientWidth: width, clientHeight: height } = canvas;
  const color = paletteOf(canvas);
  context.font = FONT;
  if (!history) {
    if (summary) drawSummary(context, summary, width, height, color);
    return;
  }
  const [p50, p95] = [history.percentile(0.5) ?? 0, history.percentile(0.95) ?? 0];
  const samples = Array.from({ length: history.length }, (_, position) => history.at(position));
  const longest = Math.max(...samples.map(({ runMs }) => runMs));
  const longestQueue = Math.max(...samples.map(({ queueMs }) => queueMs));
  const run = { width, height: Math.round(height * BASE), top: HEADROOM * Math.max(0.5, longest, budgetMs ?? 0) };
  const queue = { width, height: height - run.height, top: HEADROOM * Math.max(0.5, longestQueue) };
  drawBars(context, samples, run, queue, color, budgetMs);
  if (budgetMs !== null) drawLine(context, budgetMs, `budget ${milliseconds(budgetMs)}`, run, color.budget, [], 0.5);
  drawLine(context, p95, `p95 ${milliseconds(p95)}`, run, color.line, [2, 3], 1);
  drawLine(context, p50, `p50 ${milliseconds(p50)}`, run, color.line, [6, 3], 0);
  context.textAlign = "left";
  context.textBaseline = "bottom";
  context.fillText(`queue up to ${milliseconds(longestQueue)}`, 2, height - 1);
}

function drawBars(
  context: CanvasRenderingContext2D,
  samples: readonly TimingSample[],
  run: Scale,
  queue: Scale,
  color: Palette,
  budgetMs: number | null,
): void {
  const step = run.width / HISTORY_FRAMES;
  const left = run.width - samples.length * step;
  samples.forEach(({ runMs, queueMs }, position) => {
    const x = left + position * step;
    const up = (runMs / run.top) * run.height;
    context.fillStyle = budgetMs !== null && runMs > budgetMs ? color.over : color.run;
    context.fillRect(x, run.height - up, Math.max(1, step - 0.6), up);
    context.fillStyle = color.queue;
    context.fillRect(x, run.height, Math.max(1, step - 0.6), (queueMs / queue.top) * queue.height);
  });
}

/** Draw times over the whole job: half of the frames end within the dark bar, 95% within the light one, all within the line. */
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
  context.textBaseline = "bottom";
  context.textAlign = "left";
  context.fillText(`p50 ${milliseconds(summary.p50)} · p95 ${milliseconds(summary.p95)}`, 4, height - 3);
  context.textAlign = "right";
  context.fillText(`max ${milliseconds(summary.max)}`, width - 4, height - 3);
}

/** Draw a labelled line. `place`, from 0 to 1, is the label's place along it, so that close lines' labels do not meet. */
function drawLine(
  context: CanvasRenderingContext2D,
  ms: number,
  text: string,
  { width, height, top }: Scale,
  color: string,
  dash: number[],
  place: number,
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
  context.textAlign = place === 0 ? "left" : place === 1 ? "right" : "center";
  context.fillText(text, 2 + place * (width - 4), y < 14 ? y + 2 : y - 2);
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
