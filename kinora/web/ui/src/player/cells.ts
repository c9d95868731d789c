/** What a plugin's result has for a table: a cell for each of its parts. */
import type { Json } from "../api/generated";
import { isObject, listOf } from "../draw/detections";
import { classesOf } from "../draw/shapes";

export type CellKind = "found" | "number" | "flag" | "texts" | "colors" | "classes" | "listed" | "other";

export interface Cell {
  name: string;
  kind: CellKind;
  /** The number to sort by; NaN if there is none. */
  value: number;
}

export function cellsOf(result: Json): Cell[] {
  if (!isObject(result)) return [cellOf("result", result)];
  return Object.entries(result).flatMap(([name, value]) => {
    if (name === "detections" && Array.isArray(value)) return foundCells(value, textsOf(result).length);
    if (name === "metrics" && isObject(value)) return Object.entries(value).map(metricCell);
    if (name === "classes" && Array.isArray(value) && classesOf(result).length === value.length) return classesCell(result);
    if (LISTED.has(name) && Array.isArray(value)) return { name, kind: "listed", value: value.length };
    return cellOf(name, value);
  });
}

/** The texts in a result: those of its detections, such as read lines. */
export function textsOf(result: Json | undefined): string[] {
  return listOf(result, "detections").flatMap((found) => (isObject(found) && typeof found.text === "string" ? found.text : []));
}

/** The parts of a result that are long to read: their number is shown, and how they are called. */
const LISTED: ReadonlySet<string> = new Set(["lines", "polygons", "points", "keypoints", "events"]);

/** Its number is the confidence of the surest class. */
function classesCell(result: Json): Cell {
  const shares = classesOf(result).flatMap(({ confidence }) => confidence ?? []);
  return { name: "classes", kind: "classes", value: shares.length > 0 ? Math.max(...shares) : Number.NaN };
}

/** A metric may be null on a frame where there is none. */
function metricCell([name, value]: [string, Json]): Cell {
  return value === null ? { name, kind: "number", value: Number.NaN } : cellOf(name, value);
}

function foundCells(detections: readonly Json[], texts: number): Cell[] {
  const found: Cell = { name: "found", kind: "found", value: detections.length };
  return texts === 0 ? [found] : [found, { name: "text", kind: "texts", value: texts }];
}

function cellOf(name: string, value: Json): Cell {
  if (typeof value === "number") return { name, kind: "number", value };
  if (typeof value === "boolean") return { name, kind: "flag", value: Number(value) };
  if (typeof value === "string") return { name, kind: "texts", value: Number.NaN };
  if (Array.isArray(value)) return { name, kind: value.some(isColor) ? "colors" : "other", value: value.length };
  return { name, kind: "other", value: Number.NaN };
}

export function isColor(value: Json): value is { hex: string; [key: string]: Json } {
  return isObject(value) && typeof value.hex === "string";
}
