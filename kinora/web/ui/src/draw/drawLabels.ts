/** Draws labels at boxes, lines and points, and the classes of the whole picture in its corner. */
import { colorOf, type ColorBy } from "./colors";
import { labelOf, MAX_LABEL, type Detection, type Point } from "./detections";
import { PLAIN } from "./drawShapes";
import { CANVAS_FONT, LETTERS, type Pen } from "./ink";
import { placeLabels, type Rect } from "./placeLabels";
import { classInWords, type PictureClass, type Shape, type Spot } from "./shapes";

const LABEL_HEIGHT = 18;
/** The most classes of the whole picture that are drawn; the list beside the picture has all of them. */
const MAX_CLASSES = 5;

/** A text, and the place that it is about: a box in pixels of the frame. */
export interface Label {
  text: string;
  color: string;
  box: Rect;
}

export const labelOfDetection = (detection: Detection, by: ColorBy): Label => ({ text: labelOf(detection), color: colorOf(detection, by), box: detection });

export function labelsOfShapes(shapes: readonly Shape[], spots: readonly Spot[]): Label[] {
  return [...shapes, ...spots.map((spot) => ({ points: [spot], label: spot.label }))].flatMap(({ points, label }) =>
    label === null ? [] : [{ text: label.slice(0, MAX_LABEL), color: PLAIN, box: boxAround(points) }],
  );
}

function boxAround(points: readonly Point[]): Rect {
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

/** Draw labels where they cover neither each other nor the rectangles of `taken`. Earlier ones choose first. */
export function drawLabels(pen: Pen, labels: readonly Label[], view: Rect, taken: readonly Rect[] = []): void {
  const { context, scale } = pen;
  const wanted = labels.map(({ text, color, box }) => ({
    color,
    box: { x: box.x * scale, y: box.y * scale, width: box.width * scale, height: box.height * scale },
    ...measured(pen, text),
  }));
  placeLabels(wanted, view, taken).forEach((place, at) => {
    const label = wanted[at];
    if (place && label) write(context, label.text, place, label.color, pen.unit);
  });
}

/** Draw the classes of the whole picture below each other in the upper left corner of `view`, and return their places. */
export function drawClasses(pen: Pen, classes: readonly PictureClass[], view: Rect): Rect[] {
  const margin = 8 * pen.unit;
  return classes.slice(0, MAX_CLASSES).map((one, at) => {
    const { text, width, height } = measured(pen, classInWords(one));
    const place = { x: view.x + margin, y: view.y + margin + at * (height + 2 * pen.unit), width, height };
    write(pen.context, text, place, colorOf({ kind: one.kind, trackId: null }), pen.unit);
    return place;
  });
}

function measured({ context, unit }: Pen, text: string): { text: string; width: number; height: number } {
  context.font = `600 ${12 * unit}px ${CANVAS_FONT}`;
  return { text, width: context.measureText(text).width + 10 * unit, height: LABEL_HEIGHT * unit };
}

function write(context: CanvasRenderingContext2D, text: string, place: Rect, color: string, unit: number): void {
  context.textBaseline = "middle";
  context.fillStyle = color;
  context.beginPath();
  context.roundRect(place.x, place.y, place.width, place.height, 3);
  context.fill();
  context.fillStyle = LETTERS;
  context.fillText(text, place.x + 5 * unit, place.y + place.height / 2 + 0.5);
}
