import { sharpCanvas } from "../draw/sharpCanvas";
import type { Timeline } from "../player/Timeline";

/** Half the width of a range input's thumb, whose middle does not reach the input's ends. */
const INSET = 8;

/** Draw bars for the numbers of detections, lines where scenes begin, and flags at the rows in `warned`. */
export function drawTicks(canvas: HTMLCanvasElement, timeline: Timeline, warned: readonly number[]): void {
  const context = sharpCanvas(canvas);
  if (!context || timeline.length === 0) return;
  const style = getComputedStyle(canvas);
  const width = canvas.clientWidth - 2 * INSET;
  const height = canvas.clientHeight;
  const last = Math.max(1, timeline.length - 1);
  const place = (row: number) => INSET + (row / last) * width;
  const columns = highestPerColumn(timeline, Math.max(1, Math.floor(width / 2)));
  const most = Math.max(1, ...columns);

  context.fillStyle = style.getPropertyValue("--accent-bar");
  columns.forEach((found, column) => {
    const bar = found === 0 ? 0 : 3 + (found / most) * (height * 0.55 - 3);
    context.fillRect(INSET + (column / columns.length) * width, height - bar, Math.max(1, width / columns.length - 0.5), bar);
  });
  context.fillStyle = style.getPropertyValue("--text-soft");
  for (let row = 0; row < timeline.length; row++) if (timeline.isCut(row)) context.fillRect(place(row) - 0.75, 0, 1.5, height);
  context.fillStyle = style.getPropertyValue("--warn-bar");
  for (const row of warned) drawFlag(context, place(row));
}

function highestPerColumn(timeline: Timeline, columns: number): number[] {
  const highest = new Array<number>(columns).fill(0);
  for (let row = 0; row < timeline.length; row++) {
    const column = Math.min(columns - 1, Math.floor((row / timeline.length) * columns));
    highest[column] = Math.max(highest[column] ?? 0, timeline.found(row));
  }
  return highest;
}

function drawFlag(context: CanvasRenderingContext2D, x: number): void {
  context.beginPath();
  context.moveTo(x - 4, 0);
  context.lineTo(x + 4, 0);
  context.lineTo(x, 7);
  context.fill();
}
