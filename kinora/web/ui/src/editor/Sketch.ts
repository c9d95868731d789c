/** What is drawn in the editor: the shapes, and the one that is being drawn. All changes are plain functions. */
import type { Point } from "../draw/detections";
import type { Size } from "../draw/PictureView";
import type { Shape, ShapeKind, ShapeOption } from "./shapeOptions";

/** A shape that is being drawn: its points so far, and where the keyboard would set the next one. */
export interface Begun {
  option: ShapeOption;
  points: readonly Point[];
  cursor: Point;
}

export interface Sketch {
  /** The size of the picture, in whose pixels all points are. */
  size: Size;
  shapes: readonly Shape[];
  /** The place of the chosen shape in `shapes`; -1 if none is chosen. */
  chosen: number;
  begun: Begun | null;
}

export const LEAST_POINTS: Readonly<Record<ShapeKind, number>> = { polygon: 3, line: 2 };

export const sketchOf = (shapes: readonly Shape[], size: Size): Sketch => ({ size, shapes, chosen: shapes.length > 0 ? 0 : -1, begun: null });

/** The whole pixel of the picture that is nearest to a point. */
export function within({ width, height }: Size, { x, y }: Point): Point {
  return { x: clamp(Math.round(x), width - 1), y: clamp(Math.round(y), height - 1) };
}

const clamp = (value: number, most: number) => Math.min(Math.max(0, most), Math.max(0, value));

/** True if the option may have no further shape. One that holds a single shape has it replaced. */
export function isFull({ shapes }: Sketch, { name, many, most = Infinity }: ShapeOption): boolean {
  return many && shapes.filter(({ option }) => option.name === name).length >= most;
}

/** True if a shape of the option may have further points. */
export function mayGrow({ kind, mostPoints = Infinity }: ShapeOption, points: readonly Point[]): boolean {
  return points.length < (kind === "line" ? LEAST_POINTS.line : mostPoints);
}

/** Begin a shape of this option; its first point is still to be set. */
export function begin(sketch: Sketch, option: ShapeOption): Sketch {
  const cursor = within(sketch.size, { x: sketch.size.width / 2, y: sketch.size.height / 2 });
  return { ...sketch, chosen: -1, begun: { option, points: [], cursor } };
}

export function abandon(sketch: Sketch): Sketch {
  return { ...sketch, begun: null };
}

/** Set the next point of the shape that is being drawn, if it may have one. A line is whole with its second one. */
export function setPoint(sketch: Sketch, at: Point): Sketch {
  const { begun } = sketch;
  if (!begun || !mayGrow(begun.option, begun.points)) return sketch;
  const point = within(sketch.size, at);
  const last = begun.points.at(-1);
  if (last?.x === point.x && last.y === point.y) return sketch;
  const next = { ...sketch, begun: { ...begun, points: [...begun.points, point], cursor: point } };
  return begun.option.kind === "line" && next.begun.points.length === LEAST_POINTS.line ? finish(next) : next;
}

/** Take back the last point of the shape that is being drawn. */
export function takeBack(sketch: Sketch): Sketch {
  const { begun } = sketch;
  return begun ? { ...sketch, begun: { ...begun, points: begun.points.slice(0, -1) } } : sketch;
}

export function moveCursor(sketch: Sketch, { x, y }: Point): Sketch {
  const { begun } = sketch;
  return begun ? pointTo(sketch, { x: begun.cursor.x + x, y: begun.cursor.y + y }) : sketch;
}

/** Let the cross follow a pointer. */
export function pointTo(sketch: Sketch, to: Point): Sketch {
  const { begun, size } = sketch;
  return begun ? { ...sketch, begun: { ...begun, cursor: within(size, to) } } : sketch;
}

export function canFinish({ begun }: Sketch): boolean {
  return begun !== null && begun.points.length >= LEAST_POINTS[begun.option.kind];
}

/** End the drawing of a shape, which is chosen then. Nothing changes while it lacks points. */
export function finish(sketch: Sketch): Sketch {
  const { begun, shapes } = sketch;
  if (!begun || !canFinish(sketch)) return sketch;
  const { option, points } = begun;
  const others = option.many ? shapes : shapes.filter((shape) => shape.option.name !== option.name);
  const shape: Shape = { option, name: option.named ? freeName(option, shapes) : null, points, others: {} };
  return { ...sketch, shapes: [...others, shape], chosen: others.length, begun: null };
}

/** A name that no other shape has, such as "zone 2". */
function freeName({ noun }: ShapeOption, shapes: readonly Shape[]): string {
  const taken = new Set(shapes.map(({ name }) => name));
  let number = 1;
  while (taken.has(`${noun} ${number}`)) number += 1;
  return `${noun} ${number}`;
}

export function choose(sketch: Sketch, chosen: number): Sketch {
  return sketch.begun ? sketch : { ...sketch, chosen };
}

export function rename(sketch: Sketch, at: number, name: string): Sketch {
  return changed(sketch, at, (shape) => ({ ...shape, name }));
}

/** What is wrong with a shape's name, as words that say what to do; null if nothing is. */
export function nameFault({ shapes }: Sketch, at: number): string | null {
  const shape = shapes[at];
  const name = shape?.name?.trim();
  if (!shape || name === undefined) return null;
  if (name === "") return "Give it a name.";
  const { nameRule } = shape.option;
  if (nameRule && !nameRule.pattern.test(name)) return `Choose another name. ${nameRule.words}`;
  const namesake = shapes.slice(0, at).find((other) => other.name?.trim() === name);
  return namesake ? `Another ${namesake.option.noun} is called ${name}: choose a name of its own.` : null;
}

export function removeShape(sketch: Sketch, at: number): Sketch {
  return { ...sketch, shapes: sketch.shapes.toSpliced(at, 1), chosen: -1 };
}

export function movePoint(sketch: Sketch, at: number, number: number, to: Point): Sketch {
  return changed(sketch, at, (shape) => ({ ...shape, points: shape.points.with(number, within(sketch.size, to)) }));
}

/** Move a whole shape as far as the picture's edges allow. */
export function moveShape(sketch: Sketch, at: number, by: Point): Sketch {
  const points = sketch.shapes[at]?.points ?? [];
  const step = { x: stepWithin(points.map(({ x }) => x), by.x, sketch.size.width), y: stepWithin(points.map(({ y }) => y), by.y, sketch.size.height) };
  return changed(sketch, at, (shape) => ({ ...shape, points: points.map(({ x, y }) => within(sketch.size, { x: x + step.x, y: y + step.y })) }));
}

function stepWithin(places: readonly number[], step: number, length: number): number {
  return Math.min(length - 1 - Math.max(...places), Math.max(-Math.min(...places), step));
}

/** Add a point in the middle of the edge behind this one, if the shape may have a further one. */
export function insertPoint(sketch: Sketch, at: number, number: number): Sketch {
  return changed(sketch, at, (shape) => {
    const [from, to] = [shape.points[number], shape.points[(number + 1) % shape.points.length]];
    if (!from || !to || !mayGrow(shape.option, shape.points)) return shape;
    return { ...shape, points: shape.points.toSpliced(number + 1, 0, within(sketch.size, { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 })) };
  });
}

/** Remove a point, unless the shape needs it. */
export function removePoint(sketch: Sketch, at: number, number: number): Sketch {
  return changed(sketch, at, (shape) =>
    shape.points.length > LEAST_POINTS[shape.option.kind] ? { ...shape, points: shape.points.toSpliced(number, 1) } : shape);
}

/** Turn the direction of a line: what went in goes out. */
export function turn(sketch: Sketch, at: number): Sketch {
  return changed(sketch, at, (shape) => ({ ...shape, points: shape.points.toReversed() }));
}

function changed(sketch: Sketch, at: number, change: (shape: Shape) => Shape): Sketch {
  const shape = sketch.shapes[at];
  return shape ? { ...sketch, shapes: sketch.shapes.with(at, change(shape)) } : sketch;
}
