/** The shape of a plugin's result for the whole job, which can be any JSON. */
import type { Json, JsonObject } from "../api/generated";
import { isObject } from "../draw/detections";

const MAX_COLUMNS = 8;
/** The levels of objects that are said in one cell. */
const MAX_DEPTH = 2;

/** True if no value in it has parts of its own. */
export function isFlat(value: JsonObject): boolean {
  return Object.values(value).every((part) => typeof part !== "object" || part === null);
}

/** True for a list of objects that fit a table. */
export function isRows(value: Json): value is JsonObject[] {
  if (!Array.isArray(value) || value.length === 0) return false;
  return value.every((row) => isObject(row) && isFlat(row) && Object.keys(row).length <= MAX_COLUMNS);
}

/** The rows of an object of objects, such as counts by the zone: each begins with its key. Null if one does not fit a table. */
export function keyedRows(value: JsonObject): JsonObject[] | null {
  const rows = Object.entries(value).flatMap(([key, row]) => (isObject(row) && fitsRow(row) ? [{ name: key, ...row }] : []));
  return rows.length > 0 && rows.length === Object.keys(value).length ? rows : null;
}

const fitsRow = (row: JsonObject) => Object.keys(row).length < MAX_COLUMNS && Object.values(row).every((cell) => isShallow(cell, MAX_DEPTH));

/** True if the value can be said in a cell: it has no lists, and objects in at most `depth` levels, each with a few keys. */
function isShallow(value: Json, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  const parts = Object.values(value);
  return isObject(value) && depth > 0 && parts.length <= MAX_COLUMNS && parts.every((part) => isShallow(part, depth - 1));
}

/** The value as a person reads it; an object such as `person 3, dog 1`. */
export function valueInWords(value: Json): string {
  if (isObject(value) && Object.keys(value).length > 0 && isShallow(value, MAX_DEPTH)) return Object.entries(value).map(partInWords).join(", ");
  if (isObject(value) && Object.keys(value).length === 0) return "–";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  if (value === null) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function partInWords([name, value]: [string, Json]): string {
  return isObject(value) ? `${name} (${valueInWords(value)})` : `${name} ${valueInWords(value)}`;
}
