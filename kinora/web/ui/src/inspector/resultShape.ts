/** The shape of a plugin's result for the whole job, which can be any JSON. */
import type { Json, JsonObject } from "../api/generated";
import { isObject } from "../draw/detections";

const MAX_COLUMNS = 8;

/** True if no value in it has parts of its own. */
export function isFlat(value: JsonObject): boolean {
  return Object.values(value).every((part) => typeof part !== "object" || part === null);
}

/** True for a list of objects that fit a table. */
export function isRows(value: Json): value is JsonObject[] {
  if (!Array.isArray(value) || value.length === 0) return false;
  return value.every((row) => isObject(row) && isFlat(row) && Object.keys(row).length <= MAX_COLUMNS);
}

/** The rows of an object whose values are flat objects, such as counts by the zone: each begins with its key. Null if it is none. */
export function keyedRows(value: JsonObject): JsonObject[] | null {
  const rows = Object.entries(value).map(([key, row]) => (isObject(row) && isFlat(row) ? { name: key, ...row } : null));
  return rows.length > 0 && isRows(rows) ? rows : null;
}

export function valueInWords(value: Json): string {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  if (value === null) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}
