/** The detections, lines and points in plugins' results, which can be any JSON. */
import type { FrameData, Json, JsonObject } from "../api/generated";

export interface Detection {
  plugin: string;
  /** The place in its plugin's list. */
  at: number;
  x: number;
  y: number;
  width: number;
  height: number;
  kind: string;
  confidence: number | null;
  trackId: number | null;
  /** What is written there. */
  text: string | null;
  /** The detection as its plugin gave it. */
  given: JsonObject;
}

export interface Point {
  x: number;
  y: number;
}

export type Line = readonly Point[];

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Every detection of every plugin. */
export function allDetections(frame: FrameData): Detection[] {
  return Object.entries(frame.results).flatMap(([plugin, result]) =>
    listOf(result, "detections").flatMap((value, at) => readDetection(plugin, at, value) ?? []),
  );
}

/** What hides detections. */
export interface Hiding {
  /** Plugins, and classes as `plugin/class`. */
  hidden: ReadonlySet<string>;
  /** The least confidence; detections without one are not hidden by it. */
  confidence: number;
}

export const HIDES_NOTHING: Hiding = { hidden: new Set(), confidence: 0 };

export function isHidden({ plugin, kind, confidence }: Detection, hiding: Hiding): boolean {
  if (confidence !== null && confidence < hiding.confidence) return true;
  return hiding.hidden.size > 0 && (hiding.hidden.has(plugin) || hiding.hidden.has(`${plugin}/${kind}`));
}

/** The detections to draw, tracked ones last. If a class has tracked ones, its others show the same things: leave them out. */
export function visibleDetections(frame: FrameData, hiding = HIDES_NOTHING): Detection[] {
  const all = allDetections(frame).filter((detection) => !isHidden(detection, hiding));
  const tracked = all.filter(({ trackId }) => trackId !== null);
  const kinds = new Set(tracked.map(({ kind }) => kind));
  return [...all.filter(({ trackId, kind }) => trackId === null && !kinds.has(kind)), ...tracked];
}

/** True if a plugin says that a new scene begins with this frame. */
export function isCut(frame: FrameData): boolean {
  return Object.values(frame.results).some((result) => isObject(result) && result.cut === true);
}

/**
 * Polylines: `lines` holds `[x1, y1, x2, y2, …]`, `[[x, y], …]`, `{x1, y1, x2, y2}` or `{points: […]}`; `polygons` the
 * same, and a polygon ends where it begins. Pictures and videos show the same (kinora/media/shapes.py).
 */
export function allLines(frame: FrameData): Line[] {
  return [...linesOf(frame, "lines"), ...linesOf(frame, "polygons").map((polygon) => [...polygon, ...polygon.slice(0, 1)])];
}

function linesOf(frame: FrameData, key: string): Line[] {
  const lines = Object.values(frame.results).flatMap((result) => listOf(result, key).map(readLine));
  return lines.filter((line) => line !== null);
}

/** Key points: `keypoints` of a result or of a detection, and `points` of a result, hold `[x, y]` or `{x, y}`. */
export function allKeyPoints(frame: FrameData): Point[] {
  return Object.values(frame.results).flatMap((result) => [
    ...[...listOf(result, "keypoints"), ...listOf(result, "points")].flatMap((value) => readPoint(value) ?? []),
    ...listOf(result, "detections").flatMap((detection) =>
      listOf(detection, "keypoints").flatMap((value) => readPoint(value) ?? []),
    ),
  ]);
}

/** The text beside a box, such as `person #3 87%`. */
export function labelOf({ kind, trackId, confidence }: Detection): string {
  const number = trackId === null ? "" : ` #${trackId}`;
  return `${kind}${number}${confidence === null ? "" : ` ${Math.round(confidence * 100)}%`}`;
}

/** What is known of a detection besides its class, as terms and values. */
export function detectionInWords({ plugin, confidence, trackId, text, x, y, width, height }: Detection): [term: string, value: string][] {
  return [
    ...(text === null ? [] : [["text", text] as [string, string]]),
    ...(confidence === null ? [] : [["confidence", `${(100 * confidence).toFixed(1)}%`] as [string, string]]),
    ...(trackId === null ? [] : [["track", `#${trackId}`] as [string, string]]),
    ["plugin", plugin],
    ["place", `${Math.round(x)}, ${Math.round(y)}`],
    ["size", `${Math.round(width)} × ${Math.round(height)}`],
  ];
}

/** The corners of a detection's own shape: its `polygon`, or its box turned by its `angle`, in degrees clockwise; null if it has only a box. */
export function cornersOf({ x, y, width, height, given: { polygon, angle } }: Detection): Line | null {
  const corners = Array.isArray(polygon) ? readPoints(polygon) : null;
  if (corners) return corners;
  if (!isNumber(angle) || angle === 0) return null;
  const middle = { x: x + width / 2, y: y + height / 2 };
  const box = [{ x, y }, { x: x + width, y }, { x: x + width, y: y + height }, { x, y: y + height }];
  return box.map((corner) => turned(corner, middle, angle));
}

/** True if the point is in the detection's box, turned as the box is. */
export function contains({ x, y, width, height, given: { angle } }: Detection, point: Point): boolean {
  const inBox = isNumber(angle) ? turned(point, { x: x + width / 2, y: y + height / 2 }, -angle) : point;
  return inBox.x >= x && inBox.x <= x + width && inBox.y >= y && inBox.y <= y + height;
}

function turned(point: Point, middle: Point, degrees: number): Point {
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const [x, y] = [point.x - middle.x, point.y - middle.y];
  return { x: middle.x + x * cos - y * sin, y: middle.y + x * sin + y * cos };
}

export function listOf(value: Json | undefined, key: string): Json[] {
  const list = isObject(value) ? value[key] : null;
  return Array.isArray(list) ? list : [];
}

function readDetection(plugin: string, at: number, value: Json): Detection | null {
  if (!isObject(value)) return null;
  const { x, y, width, height, confidence, track_id: trackId, text } = value;
  if (!isNumber(x) || !isNumber(y) || !isNumber(width) || !isNumber(height)) return null;
  return {
    plugin,
    at,
    x,
    y,
    width,
    height,
    kind: typeof value.class === "string" ? value.class : plugin,
    confidence: isNumber(confidence) ? confidence : null,
    trackId: isNumber(trackId) ? trackId : null,
    text: typeof text === "string" ? text : null,
    given: value,
  };
}

function readLine(value: Json): Line | null {
  if (Array.isArray(value)) {
    if (!value.every(isNumber) || value.length < 4) return value.length < 2 ? null : readPoints(value);
    return Array.from({ length: value.length >> 1 }, (_, i) => ({ x: value[2 * i] ?? 0, y: value[2 * i + 1] ?? 0 }));
  }
  if (!isObject(value)) return null;
  if (Array.isArray(value.points)) return readPoints(value.points);
  const { x1, y1, x2, y2 } = value;
  if (!isNumber(x1) || !isNumber(y1) || !isNumber(x2) || !isNumber(y2)) return null;
  return [{ x: x1, y: y1 }, { x: x2, y: y2 }];
}

function readPoints(values: Json[]): Line | null {
  const points = values.flatMap((value) => readPoint(value) ?? []);
  return points.length < 2 ? null : points;
}

function readPoint(value: Json): Point | null {
  const [x, y] = Array.isArray(value) ? value : isObject(value) ? [value.x, value.y] : [];
  return isNumber(x) && isNumber(y) ? { x, y } : null;
}

function isNumber(value: Json | undefined): value is number {
  return typeof value === "number";
}
