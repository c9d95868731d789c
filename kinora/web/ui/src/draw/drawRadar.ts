/** Draws a small map of the tracks from above: left and right as in the picture, near things at the bottom. */
import { colorOf } from "./colors";
import type { Point } from "./detections";
import { CANVAS_FONT } from "./ink";
import type { Rect } from "./placeLabels";

/** Sizes in CSS pixels on a picture `share` wide; on a wider one the map grows with it, up to `largest` times. */
export const RADAR = { width: 168, height: 132, margin: 10, share: 680, largest: 2 } as const;

/** The map's box in the part of a picture that is in view; `at` is its place there, 0 to 1. */
export function radarBox(view: Rect, at: Point): Rect {
  const size = Math.min(RADAR.largest, view.width / RADAR.share);
  const [width, height] = [RADAR.width * size, RADAR.height * size];
  const room = { x: view.width - width - 2 * RADAR.margin, y: view.height - height - 2 * RADAR.margin };
  return { x: view.x + RADAR.margin + at.x * Math.max(0, room.x), y: view.y + RADAR.margin + at.y * Math.max(0, room.y), width, height };
}

/** The place, 0 to 1, of a map that was moved by so many CSS pixels. */
export function radarMoved(view: Rect, at: Point, by: Point): Point {
  const { width, height } = radarBox(view, at);
  const moved = (place: number, distance: number, room: number) => Math.min(1, Math.max(0, place + distance / Math.max(1, room)));
  return {
    x: moved(at.x, by.x, view.width - width - 2 * RADAR.margin),
    y: moved(at.y, by.y, view.height - height - 2 * RADAR.margin),
  };
}

/** Draw the map with its upper left corner at 0, 0; nothing is drawn outside of it. */
export function drawRadar(context: CanvasRenderingContext2D, trails: ReadonlyMap<number, readonly Point[]>, present: ReadonlySet<number>): void {
  context.save();
  drawGround(context);
  for (const [id, points] of trails) {
    const color = colorOf({ kind: "", trackId: id });
    drawTrail(context, points.map(place), color, present.has(id) ? String(id) : null);
  }
  context.restore();
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
  context.clip();
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
  context.font = `600 10px ${CANVAS_FONT}`;
  context.textBaseline = "middle";
  // Beside the point, and inside of the map.
  const fits = head.x + 6 + context.measureText(name).width < RADAR.width - 4;
  context.textAlign = fits ? "left" : "right";
  context.fillText(name, head.x + (fits ? 6 : -6), head.y);
  context.textAlign = "left";
}
