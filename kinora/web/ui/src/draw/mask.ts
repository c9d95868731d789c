/** Masks of detections: `{x, y, width, height, counts}`, where `counts` is COCO's compressed run-length code of the crop. */
import type { Json, JsonObject } from "../api/generated";
import type { Rect } from "./placeLabels";

/** The most pieces of one mask; a finer one is not drawn. */
const MAX_PIECES = 50_000;
const NONE: readonly Rect[] = [];

/** A frame is drawn many times, its masks are decoded once. */
const decoded = new WeakMap<JsonObject, readonly Rect[]>();

/** The mask as rectangles in pixels of the picture; none if it is not valid. */
export function maskPieces(mask: Json | undefined): readonly Rect[] {
  if (typeof mask !== "object" || mask === null || Array.isArray(mask)) return NONE;
  let pieces = decoded.get(mask);
  if (!pieces) decoded.set(mask, (pieces = decode(mask)));
  return pieces;
}

function decode({ x, y, width, height, counts }: JsonObject): readonly Rect[] {
  if (typeof x !== "number" || typeof y !== "number" || typeof counts !== "string") return NONE;
  if (!isSize(width) || !isSize(height)) return NONE;
  const pieces: Rect[] = [];
  let at = 0;
  for (const [place, run] of runLengths(counts).entries()) {
    if (run < 0 || at + run > width * height || pieces.length > MAX_PIECES) return NONE;
    if (place % 2 === 1) addRun(pieces, { x, y }, at, run, height);
    at += run;
  }
  return pieces;
}

const isSize = (value: Json | undefined): value is number => typeof value === "number" && Number.isInteger(value) && value > 0;

/** The lengths of runs outside and inside of the mask in turns: five bits a character, each after the second a difference to the last but one. */
function runLengths(counts: string): number[] {
  const runs: number[] = [];
  for (let at = 0; at < counts.length; ) {
    let [run, bits, code] = [0, 0, 0];
    do {
      code = counts.charCodeAt(at++) - 48;
      run |= (code & 31) << bits;
      bits += 5;
    } while (code & 32);
    if (code & 16) run |= -1 << bits;
    runs.push(runs.length > 2 ? run + (runs.at(-2) ?? 0) : run);
  }
  return runs;
}

/** Add a run of pixels, which goes down the columns from the left: the end of one column, whole ones, the beginning of another. */
function addRun(pieces: Rect[], corner: { x: number; y: number }, begin: number, length: number, height: number): void {
  const add = (from: number, pixels: number, columns: number) => {
    pieces.push({ x: corner.x + Math.floor(from / height), y: corner.y + (from % height), width: columns, height: pixels });
  };
  const end = begin + length;
  let at = begin;
  if (at % height !== 0) {
    const first = Math.min(end - at, height - (at % height));
    add(at, first, 1);
    at += first;
  }
  const whole = Math.floor((end - at) / height);
  if (whole > 0) add(at, height, whole);
  at += whole * height;
  if (end > at) add(at, end - at, 1);
}
