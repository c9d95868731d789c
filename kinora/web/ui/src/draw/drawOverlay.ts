/** Draws plugins' results over a picture. */
import type { FrameData } from "../api/generated";
import { colorOf, type ColorBy } from "./colors";
import { allDetections, allKeyPoints, allLines, cornersOf, labelOf, visibleDetections, type Detection } from "./detections";
import { maskPieces } from "./mask";
import { isMarked, type Picks } from "./Picked";
import { placeLabels, type Rect } from "./placeLabels";
import type { ViewOptions } from "./viewOptions";

const LABEL_HEIGHT = 18;
/** On a picture of this width, in CSS pixels, lines and labels have their plain size; with other widths it varies a little. */
const PLAIN_WIDTH = 800;
const LINES = "#f8fafc";
export const CANVAS_FONT = "Geist, system-ui, sans-serif";

const NOTHING_PICKED: Picks = { hovered: null, chosen: null };

/** Draw into `context`, whose unit is the CSS pixel. The picture begins at 0, 0 and is scaled by `scale`.
 *
 * `view` is the part of it that can be seen, where labels have to be.
 */
export function drawOverlay(
  context: CanvasRenderingContext2D,
  frame: FrameData,
  scale: number,
  options: ViewOptions,
  picks: Picks = NOTHING_PICKED,
  view: Rect = { x: 0, y: 0, width: frame.width * scale, height: frame.height * scale },
): void {
  const unit = Math.min(2, Math.max(0.8, Math.sqrt(view.width / PLAIN_WIDTH)));
  const isPicked = (found: Detection) => isMarked(picks.hovered, found, frame.index) || isMarked(picks.chosen, found, frame.index);
  const visible = options.boxes || options.labels ? visibleDetections(frame, options) : [];
  const picked = picks.hovered || picks.chosen ? allDetections(frame).filter(isPicked) : [];
  const others = visible.filter((found) => !isPicked(found));
  if (options.boxes) for (const found of others) drawBox(context, found, scale, unit, options.colorBy);
  for (const found of picked) drawPicked(context, found, scale, unit, options.colorBy);
  if (options.pitch) drawPitch(context, frame, scale);
  if (options.labels) drawLabels(context, [...picked, ...others.toReversed()], scale, unit, options.colorBy, view);
}

/** Begin a path along the detection's shape. */
function outline(context: CanvasRenderingContext2D, detection: Detection, scale: number): void {
  const corners = cornersOf(detection);
  context.beginPath();
  if (corners) {
    for (const { x, y } of corners) context.lineTo(x * scale, y * scale);
    context.closePath();
  } else {
    const { x, y, width, height } = detection;
    context.roundRect(x * scale, y * scale, width * scale, height * scale, 3);
  }
}

function drawBox(context: CanvasRenderingContext2D, detection: Detection, scale: number, unit: number, by: ColorBy): void {
  const color = colorOf(detection, by);
  fillMask(context, detection, scale, color);
  outline(context, detection, scale);
  if (cornersOf(detection)) fillLightly(context, color);
  context.lineWidth = 4 * unit;
  context.strokeStyle = "rgb(0 0 0 / 45%)"; // a dark edge, visible on any background
  context.stroke();
  context.lineWidth = 2 * unit;
  context.strokeStyle = color;
  context.stroke();
}

function drawPicked(context: CanvasRenderingContext2D, detection: Detection, scale: number, unit: number, by: ColorBy): void {
  const color = colorOf(detection, by);
  fillMask(context, detection, scale, color);
  outline(context, detection, scale);
  fillLightly(context, color);
  context.lineWidth = 7 * unit;
  context.strokeStyle = "#fff";
  context.stroke();
  context.lineWidth = 4 * unit;
  context.strokeStyle = color;
  context.stroke();
}

function fillMask(context: CanvasRenderingContext2D, { given: { mask } }: Detection, scale: number, color: string): void {
  const pieces = maskPieces(mask);
  if (pieces.length === 0) return;
  // One path, so that neighbours have no seam.
  context.beginPath();
  for (const { x, y, width, height } of pieces) context.rect(x * scale, y * scale, width * scale, height * scale);
  fillLightly(context, color, 0.4);
}

function fillLightly(context: CanvasRenderingContext2D, color: string, alpha = 0.2): void {
  const before = context.globalAlpha;
  context.globalAlpha = before * alpha;
  context.fillStyle = color;
  context.fill();
  context.globalAlpha = before;
}

function drawLabels(
  context: CanvasRenderingContext2D,
  found: readonly Detection[],
  scale: number,
  unit: number,
  by: ColorBy,
  view: Rect,
): void {
  context.font = `600 ${12 * unit}px ${CANVAS_FONT}`;
  context.textBaseline = "middle";
  const labels = found.map((detection) => ({
    detection,
    text: labelOf(detection),
    box: { x: detection.x * scale, y: detection.y * scale, width: detection.width * scale, height: detection.height * scale },
    width: context.measureText(labelOf(detection)).width + 10 * unit,
    height: LABEL_HEIGHT * unit,
  }));
  placeLabels(labels, view).forEach((place, at) => {
    const label = labels[at];
    if (!place || !label) return;
    context.fillStyle = colorOf(label.detection, by);
    context.beginPath();
    context.roundRect(place.x, place.y, place.width, place.height, 3);
    context.fill();
    context.fillStyle = "#0b1220";
    context.fillText(label.text, place.x + 5 * unit, place.y + place.height / 2 + 0.5);
  });
}

function drawPitch(context: CanvasRenderingContext2D, frame: FrameData, scale: number): void {
  context.strokeStyle = LINES;
  context.lineWidth = 2;
  for (const line of allLines(frame)) {
    context.beginPath();
    for (const { x, y } of line) context.lineTo(x * scale, y * scale);
    context.stroke();
  }
  context.fillStyle = LINES;
  for (const { x, y } of allKeyPoints(frame)) {
    context.beginPath();
    context.arc(x * scale, y * scale, 3, 0, 2 * Math.PI);
    context.fill();
  }
}
