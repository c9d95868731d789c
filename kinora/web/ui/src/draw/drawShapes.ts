/** Draws the lines, polygons and points of plugins' results. */
import { drawPoint } from "./drawDetection";
import { fillLightly, pathAlong, strokeEdged, type Pen } from "./ink";
import type { Shape, Spot } from "./shapes";

/** The colour of everything but detections. */
export const PLAIN = "#f8fafc";

export function drawShapes(pen: Pen, shapes: readonly Shape[], spots: readonly Spot[]): void {
  for (const { points, closed } of shapes) {
    pathAlong(pen, points, closed);
    if (closed) fillLightly(pen, PLAIN, 0.1);
    strokeEdged(pen, PLAIN, 2);
  }
  for (const spot of spots) drawPoint(pen, spot, PLAIN);
}
