/** The detections in plugins' results, which can be any JSON. */
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

/** The most characters of a class, of a text and of a shape's label in the picture; the list beside it has all of them. */
export const MAX_LABEL = 40;

/** The text beside a box, such as `person #3 87%` or `plate “B-XY 12” 87%`. */
export function labelOf({ kind, trackId, text, confidence }: Detection): string {
  const number = trackId === null ? "" : ` #${trackId}`;
  const said = text === null ? "" : ` “${text.slice(0, MAX_LABEL)}”`;
  return `${kind.slice(0, MAX_LABEL)}${number}${said}${confidence === null ? "" : ` ${Math.round(confidence * 100)}%`}`;
}

/** The most attributes of a detection that are told, each in so many characters at most; its JSON has all of them. */
const MAX_ATTRIBUTES = 12;
const MAX_ATTRIBUTE = 80;

const inShort = (value: Json) => (typeof value === "string" ? value : JSON.stringify(value)).slice(0, MAX_ATTRIBUTE);

/** What is known of a detection besides its class, as terms and values. */
export function detectionInWords({ plugin, confidence, trackId, text, x, y, width, height, given: { angle, attributes } }: Detection): [term: string, value: string][] {
  return [
    ...(text === null ? [] : [["text", text] as [string, string]]),
    ...(confidence === null ? [] : [["confidence", `${(100 * confidence).toFixed(1)}%`] as [string, string]]),
    ...(trackId === null ? [] : [["track", `#${trackId}`] as [string, string]]),
    ["plugin", plugin],
    ["place", `${Math.round(x)}, ${Math.round(y)}`],
    ["size", `${Math.round(width)} × ${Math.round(height)}`],
    ...(isNumber(angle) ? [["angle", `${Math.round(10 * angle) / 10}°`] as [string, string]] : []),
    ...(isObject(attributes) ? Object.entries(attributes).slice(0, MAX_ATTRIBUTES).map(([name, value]): [string, string] => [name, inShort(value)]) : []),
  ];
}

/** The corners of a detection's own shape: its `polygon`, or its box turned by its `angle`, in degrees clockwise; null if it has only a box. */
export function cornersOf({ x, y, width, height, given: { polygon, angle } }: Detection): Line | null {
  const corners = Array.isArray(polygon) ? readPoints(polygon) : null;
  if (corners && corners.length > 2) return corners;
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

/** The points among these; null if there are fewer than two. */
export function readPoints(values: readonly Json[]): Line | null {
  const points = values.flatMap((value) => readPoint(value) ?? []);
  return points.length < 2 ? null : points;
}

/** A point that is `[x, y]` or `{x, y}`; null if it is neither. */
export function readPoint(value: Json): Point | null {
  const [x, y] = Array.isArray(value) ? value : isObject(value) ? [value.x, value.y] : [];
  return isNumber(x) && isNumber(y) ? { x, y } : null;
}

export function isNumber(value: Json | undefined): value is number {
  return typeof value === "number";
}
