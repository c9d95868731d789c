/** Draws a small map of the tracks from above: left and right as in the picture, near things at the bottom. */
import { colorOf } from "./colors";
import type { Point } from "./detections";

/** Sizes in CSS pixels on a picture `share` wide; on a wider one the map grows with it, up to `largest` times. */
export const RADAR = { width: 168, height: 132, margin: 10, share: 680, largest: 2 } as const;

export function drawRadar(context: CanvasRenderingContext2D, trails: ReadonlyMap<number, readonly Point[]>, present: ReadonlySet<number>): void {
  drawGround(context);
  for (const [id, points] of trails) {
    const color = colorOf({ kind: "", trackId: id });
    drawTrail(context, points.map(place), color, present.has(id) ? String(id) : null);
  }
}

function place({ x, y }: Point): Point {
  return { x: 8 + x * (RADAR.width - 16), y: 8 + Math.min(1, y) * (RADAR.height - 16) };
}

function drawGround(context: CanvasRenderingContext2D): void {
  context.fillStyle = "rgb(8 15 26 / 82%)";
  context.strokeStyle = "rgb(255 255 255 / 28%)";
  context.lineWidth = 1;
  context.beginPath();
  context.roundRect(0, 0, RADAR.width, RADAR.height, 8);
  context.fill();
  context.stroke();
  context.strokeStyle = "rgb(255 255 255 / 12%)";
  for (const radius of [40, 80, 120]) {
    context.beginPath();
    context.arc(RADAR.width / 2, RADAR.height, radius, Math.PI, 2 * Math.PI);
    context.stroke();
  }
}

function drawTrail(context: CanvasRenderingContext2D, points: readonly Point[], color: string, name: string | null): void {
  context.strokeStyle = context.fillStyle = color;
  context.globalAlpha = name === null ? 0.25 : 0.7;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const { x, y } of points) context.lineTo(x, y);
  context.stroke();
  context.globalAlpha = 1;
  const head = points.at(-1);
  if (!head || name === null) return;
  context.beginPath();
  context.arc(head.x, head.y, 4, 0, 2 * Math.PI);
  context.fill();
  context.font = "600 10px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillText(name, head.x + 6, head.y);
}
