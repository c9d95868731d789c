/** What a press on the picture takes hold of, and what a drag does with it. */
import type { Point } from "../draw/detections";
import { canFinish, choose, finish, insertPoint, movePoint, moveShape, pointTo, setPoint, type Sketch } from "./Sketch";

/** A point, a shape where it was pressed, or the pen of the shape that is being drawn. */
export type Grab =
  | { what: "point"; number: number }
  | { what: "shape"; from: Point }
  | { what: "pen" };

/** The sketch after a press at `place` on what has these data attributes, and what the pointer holds then. */
export function pressed(sketch: Sketch, data: DOMStringMap, place: Point): [Grab | null, Sketch] {
  if (sketch.begun) {
    if (data.first !== undefined && canFinish(sketch)) return [null, finish(sketch)];
    return [{ what: "pen" }, setPoint(sketch, place)];
  }
  if (data.point !== undefined) return [{ what: "point", number: Number(data.point) }, sketch];
  if (data.middle !== undefined) {
    const number = Number(data.middle);
    return [{ what: "point", number: number + 1 }, insertPoint(sketch, sketch.chosen, number)];
  }
  if (data.shape === undefined) return [null, choose(sketch, -1)];
  return [{ what: "shape", from: place }, choose(sketch, Number(data.shape))];
}

/** The sketch and the grab after the pointer has moved to `to`. */
export function dragged(sketch: Sketch, grab: Grab | null, to: Point): [Grab | null, Sketch] {
  if (grab?.what === "point") return [grab, movePoint(sketch, sketch.chosen, grab.number, to)];
  if (grab?.what !== "shape") return [grab, pointTo(sketch, to)];
  const by = { x: Math.round(to.x - grab.from.x), y: Math.round(to.y - grab.from.y) };
  return [{ ...grab, from: { x: grab.from.x + by.x, y: grab.from.y + by.y } }, moveShape(sketch, sketch.chosen, by)];
}
