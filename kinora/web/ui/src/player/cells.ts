/** What a plugin's result has for a table: a cell for each of its parts. */
import type { Json } from "../api/generated";
import { isObject, listOf } from "../draw/detections";

export type CellKind = "found" | "number" | "flag" | "texts" | "colors" | "other";

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
    if (name === "metrics" && isObject(value)) return Object.entries(value).map(([metric, number]) => cellOf(metric, number));
    return cellOf(name, value);
  });
}

/** The texts in a result: those of its detections, such as read lines. */
export function textsOf(result: Json | undefined): string[] {
  return listOf(result, "detections").flatMap((found) => (isObject(found) && typeof found.text === "string" ? found.text : []));
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
