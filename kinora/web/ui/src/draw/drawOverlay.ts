/** Draws plugins' results over a picture. The server draws the same into videos and stills (kinora/media/drawing). */
import type { FrameData } from "../api/generated";
import { colorOf } from "./colors";
import { allDetections, visibleDetections, type Detection } from "./detections";
import { drawBox, drawPicked, drawPose } from "./drawDetection";
import { drawClasses, drawLabels, labelOfDetection, labelsOfShapes } from "./drawLabels";
import { drawShapes } from "./drawShapes";
import type { Pen } from "./ink";
import { isMarked, type Picks } from "./Picked";
import type { Rect } from "./placeLabels";
import { NO_SKELETONS, skeletonFor, type Skeletons } from "./pose";
import { allClasses, allShapes, allSpots } from "./shapes";
import type { ViewOptions } from "./viewOptions";

/** On a picture of this width, in CSS pixels, lines and labels have their plain size; with other widths it varies a little. */
const PLAIN_WIDTH = 800;
const NOTHING_PICKED: Picks = { hovered: null, chosen: null };

/** What a drawing depends on besides the frame and the user's choice. */
export interface Surroundings {
  picks?: Picks;
  skeletons?: Skeletons;
  /** The part of the picture that can be seen, where labels have to be; all of it if left out. */
  view?: Rect;
}

/** Draw into `context`, whose unit is the CSS pixel. The picture begins at 0, 0 and is scaled by `scale`. */
export function drawOverlay(context: CanvasRenderingContext2D, frame: FrameData, scale: number, options: ViewOptions, surroundings: Surroundings = {}): void {
  const { picks = NOTHING_PICKED, skeletons = NO_SKELETONS, view = wholeOf(frame, scale) } = surroundings;
  const pen: Pen = { context, scale, unit: Math.min(2, Math.max(0.8, Math.sqrt(view.width / PLAIN_WIDTH))) };
  const visible = visibleDetections(frame, options);
  const picked = picks.hovered || picks.chosen ? allDetections(frame).filter((found) => isPicked(picks, found, frame)) : [];
  const others = visible.filter((found) => !isPicked(picks, found, frame));
  const color = (found: Detection) => colorOf(found, options.colorBy);
  const [shapes, spots] = [allShapes(frame, options), allSpots(frame, options)];
  if (options.boxes) for (const found of others) drawBox(pen, found, color(found));
  for (const found of picked) drawPicked(pen, found, color(found));
  if (options.pitch) drawShapes(pen, shapes, spots);
  if (options.pitch) for (const found of [...others, ...picked]) drawPose(pen, found, skeletonFor(found.plugin, frame, skeletons), color(found));
  if (!options.labels) return;
  const taken = drawClasses(pen, allClasses(frame, options), view);
  const labels = [...picked, ...others.toReversed()].map((found) => labelOfDetection(found, options.colorBy));
  drawLabels(pen, options.pitch ? [...labels, ...labelsOfShapes(shapes, spots)] : labels, view, taken);
}

const wholeOf = ({ width, height }: FrameData, scale: number): Rect => ({ x: 0, y: 0, width: width * scale, height: height * scale });

function isPicked({ hovered, chosen }: Picks, found: Detection, { index }: FrameData): boolean {
  return isMarked(hovered, found, index) || isMarked(chosen, found, index);
}
