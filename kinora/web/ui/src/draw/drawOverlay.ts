/** Draws plugins' results over a picture. */
import type { FrameData } from "../api/generated";
import { colorOf } from "./colors";
import { allKeyPoints, allLines, labelOf, visibleDetections, type Detection } from "./detections";
import type { ViewOptions } from "./viewOptions";

const LABEL_HEIGHT = 18;
/** On a picture of this width, in CSS pixels, lines and labels have their plain size; with other widths it varies a little. */
const PLAIN_WIDTH = 800;
const LINES = "#f8fafc";

/** Draw into `context`, whose unit is the CSS pixel. The picture begins at 0, 0 and is scaled by `scale`. */
export function drawOverlay(context: CanvasRenderingContext2D, frame: FrameData, scale: number, options: ViewOptions): void {
  const unit = Math.min(2, Math.max(0.8, Math.sqrt((frame.width * scale) / PLAIN_WIDTH)));
  const found = options.boxes || options.labels ? visibleDetections(frame) : [];
  if (options.boxes) for (const detection of found) drawBox(context, detection, scale, unit);
  if (options.pitch) drawPitch(context, frame, scale);
  if (options.labels) for (const detection of found) drawLabel(context, detection, scale, unit, frame.width * scale);
}

function drawBox(context: CanvasRenderingContext2D, detection: Detection, scale: number, unit: number): void {
  const { x, y, width, height } = detection;
  context.beginPath();
  context.roundRect(x * scale, y * scale, width * scale, height * scale, 3);
  context.lineWidth = 4 * unit;
  context.strokeStyle = "rgb(0 0 0 / 45%)"; // a dark edge, visible on any background
  context.stroke();
  context.lineWidth = 2 * unit;
  context.strokeStyle = colorOf(detection);
  context.stroke();
}

function drawLabel(context: CanvasRenderingContext2D, detection: Detection, scale: number, unit: number, right: number): void {
  const text = labelOf(detection);
  const height = LABEL_HEIGHT * unit;
  context.font = `600 ${12 * unit}px system-ui, sans-serif`;
  const width = context.measureText(text).width + 10 * unit;
  const left = Math.max(0, Math.min(detection.x * scale - 1, right - width));
  const top = Math.max(0, detection.y * scale - height - 1);
  context.fillStyle = colorOf(detection);
  context.beginPath();
  context.roundRect(left, top, width, height, 3);
  context.fill();
  context.fillStyle = "#0b1220";
  context.textBaseline = "middle";
  context.fillText(text, left + 5 * unit, top + height / 2 + 0.5);
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
