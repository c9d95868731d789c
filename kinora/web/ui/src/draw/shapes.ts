/** What plugins' results have beside detections: lines, polygons and points with their labels, and classes of the whole picture. */
import type { FrameData, Json, JsonObject } from "../api/generated";
import { HIDES_NOTHING, isNumber, isObject, listOf, MAX_LABEL, readPoint, readPoints, type Hiding, type Line, type Point } from "./detections";

export interface Shape {
  points: Line;
  /** True for a polygon, which ends where it begins. */
  closed: boolean;
  label: string | null;
}

export interface Spot extends Point {
  label: string | null;
}

/** A class of the whole picture. */
export interface PictureClass {
  plugin: string;
  kind: string;
  confidence: number | null;
}

/**
 * `lines` of a result holds `[x1, y1, x2, y2, …]`, `[[x, y], …]`, `{x1, y1, x2, y2}` or `{points: […]}`; `polygons` the
 * same. Those that are objects may have a `label`. Pictures and videos show the same (kinora/media/drawing/shapes.py).
 */
export function allShapes(frame: FrameData, hiding = HIDES_NOTHING): Shape[] {
  return shownResults(frame, hiding).flatMap(([, result]) => [
    ...listOf(result, "lines").flatMap((value) => readShape(value, false) ?? []),
    ...listOf(result, "polygons").flatMap((value) => readShape(value, true) ?? []),
  ]);
}

/** `keypoints` and `points` of a result hold `[x, y]` or `{x, y}`, the latter with a `label` if it has one. */
export function allSpots(frame: FrameData, hiding = HIDES_NOTHING): Spot[] {
  return shownResults(frame, hiding).flatMap(([, result]) => [...listOf(result, "keypoints"), ...listOf(result, "points")].flatMap((value) => readSpot(value) ?? []));
}

/** `classes` of a result holds `{class, confidence}`: the classes of the whole picture. */
export function allClasses(frame: FrameData, hiding = HIDES_NOTHING): PictureClass[] {
  return shownResults(frame, hiding).flatMap(([plugin, result]) =>
    classesOf(result)
      .map((one) => ({ plugin, ...one }))
      .filter(({ kind, confidence }) => !hiding.hidden.has(`${plugin}/${kind}`) && (confidence === null || confidence >= hiding.confidence)),
  );
}

/** The classes of the whole picture in one plugin's result, as it orders them. */
export function classesOf(result: Json | undefined): Omit<PictureClass, "plugin">[] {
  return listOf(result, "classes").flatMap((value) => {
    if (!isObject(value) || typeof value.class !== "string") return [];
    return [{ kind: value.class, confidence: isNumber(value.confidence) ? value.confidence : null }];
  });
}

/** The class with its confidence, such as `cat 93%`. */
export function classInWords({ kind, confidence }: Omit<PictureClass, "plugin">): string {
  const name = kind.slice(0, MAX_LABEL);
  return confidence === null ? name : `${name} ${Math.round(100 * confidence)}%`;
}

/** The plugins that have lines, polygons or points on this frame. */
export function pluginsWithShapes({ results }: FrameData): string[] {
  const has = (result: Json) => SHAPES.some((key) => listOf(result, key).length > 0);
  return Object.entries(results).flatMap(([plugin, result]) => (has(result) ? plugin : []));
}

const SHAPES = ["lines", "polygons", "keypoints", "points"];

const shownResults = (frame: FrameData, { hidden }: Hiding) => Object.entries(frame.results).filter(([plugin]) => !hidden.has(plugin));

function readShape(value: Json, closed: boolean): Shape | null {
  const points = readLine(value);
  return points && { points, closed, label: labelOf(value) };
}

function readSpot(value: Json): Spot | null {
  const point = readPoint(value);
  return point && { ...point, label: labelOf(value) };
}

function labelOf(value: Json): string | null {
  return isObject(value) && typeof value.label === "string" && value.label !== "" ? value.label : null;
}

function readLine(value: Json): Line | null {
  if (Array.isArray(value)) return value.length >= 4 && value.every(isNumber) ? inPairs(value) : readPoints(value);
  if (!isObject(value)) return null;
  return Array.isArray(value.points) ? readPoints(value.points) : readEnds(value);
}

function inPairs(numbers: readonly number[]): Line {
  return Array.from({ length: numbers.length >> 1 }, (_, at) => ({ x: numbers[2 * at] ?? 0, y: numbers[2 * at + 1] ?? 0 }));
}

function readEnds({ x1, y1, x2, y2 }: JsonObject): Line | null {
  if (!isNumber(x1) || !isNumber(y1) || !isNumber(x2) || !isNumber(y2)) return null;
  return [{ x: x1, y: y1 }, { x: x2, y: y2 }];
}
