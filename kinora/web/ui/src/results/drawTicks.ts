import { sharpCanvas } from "../draw/sharpCanvas";
import type { Timeline } from "../player/Timeline";
import type { RowWindow } from "../player/Window";

/** Half the width of a range input's thumb, whose middle does not reach the input's ends. */
export const INSET = 8;

/** A source that is opened again is away for at least this long. */
const LEAST_OUTAGE_MS = 1500;
/** Slow plugins make gaps too: an outage is this many times as long as the usual one. */
const LONG = 4;

/** The place of a row, in pixels, on an axis of this width that shows these rows. */
export function placeOnAxis(row: number, { first, last }: RowWindow, width: number): number {
  return INSET + ((row - first) / Math.max(1, last - first)) * (width - 2 * INSET);
}

/** What is marked. */
export interface Marks {
  /** The rows with a warning. */
  warned: readonly number[];
  /** The rows with an event. */
  events: readonly number[];
  /** True if the source was away at times: a band stands where no frames came for long. */
  outages: boolean;
}

/** Draw bars for the numbers of detections, lines where scenes begin, flags at warnings, dots at events, and bands where the source was away.
 *
 * The room after the last row is hatched if it is `open`: nobody knows how many more there will be.
 */
export function drawTicks(canvas: HTMLCanvasElement, timeline: Timeline, { warned, events, outages }: Marks, window: RowWindow, open = false): void {
  const context = sharpCanvas(canvas);
  if (!context || timeline.length === 0) return;
  const style = getComputedStyle(canvas);
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  const end = Math.min(timeline.length - 1, window.last);
  const columns = highestPerColumn(timeline, window, Math.max(1, Math.floor((width - 2 * INSET) / 2)));
  const most = Math.max(1, ...columns);
  const step = (width - 2 * INSET) / columns.length;

  context.fillStyle = style.getPropertyValue("--accent-bar");
  columns.forEach((found, column) => {
    const bar = found === 0 ? 0 : 3 + (found / most) * (height * 0.55 - 3);
    context.fillRect(INSET + column * step, height - bar, Math.max(1, step - 0.5), bar);
  });
  context.fillStyle = style.getPropertyValue("--text-soft");
  for (let row = window.first; row <= end; row++) {
    if (timeline.isCut(row)) context.fillRect(placeOnAxis(row, window, width) - 0.75, 0, 1.5, height);
  }
  if (open && end < window.last) hatch(context, placeOnAxis(end, window, width) + 2, width - INSET, height, style.getPropertyValue("--line"));
  context.fillStyle = style.getPropertyValue("--info-bar");
  drawDots(context, new Set(events.filter((row) => row >= window.first && row <= window.last).map((row) => Math.round(placeOnAxis(row, window, width)))));
  context.fillStyle = style.getPropertyValue("--warn-bar");
  if (outages) for (const row of returnsIn(timeline, window)) drawOutage(context, placeOnAxis(row - 0.5, window, width), height);
  for (const row of warned) if (row >= window.first && row <= window.last) drawFlag(context, placeOnAxis(row, window, width));
}

/** The rows of the window before which no frame came for far longer than usual. */
function returnsIn(timeline: Timeline, { first, last }: RowWindow): number[] {
  const end = timeline.length - 1;
  const usual = (timeline.time(end) - timeline.time(0)) / Math.max(1, end);
  const long = Math.max(LEAST_OUTAGE_MS, LONG * usual);
  const rows: number[] = [];
  for (let row = first + 1; row <= Math.min(last, end); row++) if (timeline.time(row) - timeline.time(row - 1) > long) rows.push(row);
  return rows;
}

function highestPerColumn(timeline: Timeline, { first, last }: RowWindow, columns: number): number[] {
  const highest = new Array<number>(columns).fill(0);
  const rows = last - first + 1;
  for (let row = first; row <= Math.min(last, timeline.length - 1); row++) {
    const column = Math.min(columns - 1, Math.floor(((row - first) / rows) * columns));
    highest[column] = Math.max(highest[column] ?? 0, timeline.found(row));
  }
  return highest;
}

/** A band with a gap in its middle: before and after the outage. */
function drawOutage(context: CanvasRenderingContext2D, x: number, height: number): void {
  context.fillRect(x - 3, 0, 2, height);
  context.fillRect(x + 1, 0, 2, height);
}

function hatch(context: CanvasRenderingContext2D, from: number, to: number, height: number, color: string): void {
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = from; x <= to; x += 8) {
    context.moveTo(x, height);
    context.lineTo(Math.min(to, x + 6), height - 6);
  }
  context.stroke();
}

/** The radius of the dot of an event, the width of the gap around it, and how far its middle is below the top. */
const [DOT, GAP, DOT_AT] = [3, 1.5, 11];

/** Dots with a gap around them, or they would be lost in the bars behind them. */
function drawDots(context: CanvasRenderingContext2D, places: ReadonlySet<number>): void {
  if (places.size === 0) return;
  context.globalCompositeOperation = "destination-out";
  fillCircles(context, places, DOT + GAP);
  context.globalCompositeOperation = "source-over";
  fillCircles(context, places, DOT);
}

function fillCircles(context: CanvasRenderingContext2D, places: ReadonlySet<number>, radius: number): void {
  context.beginPath();
  for (const x of places) {
    context.moveTo(x + radius, DOT_AT);
    context.arc(x, DOT_AT, radius, 0, 2 * Math.PI);
  }
  context.fill();
}

function drawFlag(context: CanvasRenderingContext2D, x: number): void {
  context.beginPath();
  context.moveTo(x - 4, 0);
  context.lineTo(x + 4, 0);
  context.lineTo(x, 7);
  context.fill();
}
