/** Draws a detection: its mask, its outline and its pose. */
import { cornersOf, type Detection, type Point } from "./detections";
import { fillLightly, pathAlong, strokeEdged, type Pen } from "./ink";
import { maskPieces } from "./mask";
import { bonesOf, keyPointsOf, type Skeleton } from "./pose";

const POINT_RADIUS = 3;

export function drawBox(pen: Pen, detection: Detection, color: string): void {
  fillMask(pen, detection, color);
  outline(pen, detection);
  if (cornersOf(detection)) fillLightly(pen, color);
  strokeEdged(pen, color, 2);
}

/** Draw the detection that the user picked, so that it is seen among the others. */
export function drawPicked(pen: Pen, detection: Detection, color: string): void {
  fillMask(pen, detection, color);
  outline(pen, detection);
  fillLightly(pen, color);
  pen.context.lineWidth = 7 * pen.unit;
  pen.context.strokeStyle = "#fff";
  pen.context.stroke();
  pen.context.lineWidth = 4 * pen.unit;
  pen.context.strokeStyle = color;
  pen.context.stroke();
}

/** Draw the key points that are seen, and the bones between them. */
export function drawPose(pen: Pen, detection: Detection, skeleton: Skeleton, color: string): void {
  const points = keyPointsOf(detection);
  for (const bone of bonesOf(points, skeleton)) {
    pathAlong(pen, bone, false);
    strokeEdged(pen, color, 2);
  }
  for (const point of points) if (point) drawPoint(pen, point, color);
}

export function drawPoint({ context, scale, unit }: Pen, { x, y }: Point, color: string): void {
  context.beginPath();
  context.arc(x * scale, y * scale, POINT_RADIUS * unit, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.fill();
  context.lineWidth = unit;
  context.strokeStyle = "rgb(0 0 0 / 60%)";
  context.stroke();
}

/** Begin a path along the detection's shape. */
function outline(pen: Pen, detection: Detection): void {
  const corners = cornersOf(detection);
  if (corners) return pathAlong(pen, corners, true);
  const { context, scale } = pen;
  const { x, y, width, height } = detection;
  context.beginPath();
  context.roundRect(x * scale, y * scale, width * scale, height * scale, 3);
}

function fillMask(pen: Pen, { given: { mask } }: Detection, color: string): void {
  const pieces = maskPieces(mask);
  if (pieces.length === 0) return;
  const { context, scale } = pen;
  // One path, so that neighbours have no seam.
  context.beginPath();
  for (const { x, y, width, height } of pieces) context.rect(x * scale, y * scale, width * scale, height * scale);
  fillLightly(pen, color, 0.4);
}
