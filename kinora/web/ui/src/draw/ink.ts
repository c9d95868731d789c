/** The strokes and letters that all drawings over a picture share. Their unit is the CSS pixel. */
import type { Point } from "./detections";

export const CANVAS_FONT = "Geist, system-ui, sans-serif";
/** The colour of letters on labels, which are bright. */
export const LETTERS = "#0b1220";

/** Where and how large a drawing is. */
export interface Pen {
  context: CanvasRenderingContext2D;
  /** CSS pixels for each pixel of the frame. */
  scale: number;
  /** The size of lines and letters: 1 on a picture of plain width. */
  unit: number;
}

/** Begin a path along these points of the frame. */
export function pathAlong({ context, scale }: Pen, points: readonly Point[], closed: boolean): void {
  context.beginPath();
  for (const { x, y } of points) context.lineTo(x * scale, y * scale);
  if (closed) context.closePath();
}

/** Stroke the path with a dark edge, visible on any background. */
export function strokeEdged({ context, unit }: Pen, color: string, width: number, edge = "rgb(0 0 0 / 45%)"): void {
  context.lineWidth = 2 * width * unit;
  context.strokeStyle = edge;
  context.stroke();
  context.lineWidth = width * unit;
  context.strokeStyle = color;
  context.stroke();
}

/** Fill the path so that the picture is seen through it. */
export function fillLightly({ context }: Pen, color: string, alpha = 0.2): void {
  const before = context.globalAlpha;
  context.globalAlpha = before * alpha;
  context.fillStyle = color;
  context.fill();
  context.globalAlpha = before;
}
