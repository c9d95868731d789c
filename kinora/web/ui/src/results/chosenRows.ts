/** The rows of the table that a filter leaves, in the order of a column. */
import type { Column } from "../player/Columns";
import type { Timeline } from "../player/Timeline";

export interface Sorting {
  plugin: string;
  name: string;
  descending: boolean;
}

export interface ChosenRows {
  /** The rows in the order of the table; null for all of them in the order of time. */
  rows: Uint32Array | null;
  /** A sentence if a part of the filter cannot be understood. */
  fault: string | null;
}

type Test = (row: number) => boolean;

/** `filter` has words, which a frame's classes, texts or tracks must contain, and conditions such as `brightness<40`. */
export function chosenRows(timeline: Timeline, filter: string, sorting: Sorting | null): ChosenRows {
  const parts = filter.split(/\s+/).filter((part) => part !== "");
  if (parts.length === 0 && !sorting) return { rows: null, fault: null };
  const tests: Test[] = [];
  for (const part of parts) {
    const test = testOf(timeline, part);
    if (test === null) return { rows: null, fault: `No column is called ${part.replace(CONDITION, "$1")}.` };
    tests.push(test);
  }
  const kept = new Uint32Array(timeline.length);
  let length = 0;
  for (let row = 0; row < timeline.length; row++) if (tests.every((test) => test(row))) kept[length++] = row;
  const rows = kept.subarray(0, length);
  const column = sorting && timeline.columns.all.find(({ plugin, name }) => plugin === sorting.plugin && name === sorting.name);
  return { rows: column ? sortedBy(column, rows, sorting.descending) : sorting?.descending ? rows.toReversed() : rows, fault: null };
}

const CONDITION = /^([^<>=]+)(<=|>=|<|>|=)(-?\d+(?:\.\d+)?)$/;

/** Null if the part is a condition on a column that is not there. */
function testOf(timeline: Timeline, part: string): Test | null {
  const [, name, sign, text] = CONDITION.exec(part) ?? [];
  if (name === undefined || sign === undefined) return timeline.words.finder(part);
  const columns = timeline.columns.all.filter((column) => isCalled(column, name.toLowerCase()));
  if (columns.length === 0) return null;
  const limit = Number(text);
  return (row) => columns.some((column) => holds(column.at(row), sign, limit));
}

function isCalled({ plugin, name, kind }: Column, asked: string): boolean {
  return name === asked || `${plugin}.${name}` === asked || (kind === "found" && plugin === asked);
}

function holds(value: number, sign: string, limit: number): boolean {
  if (sign === "<") return value < limit;
  if (sign === ">") return value > limit;
  if (sign === "<=") return value <= limit;
  if (sign === ">=") return value >= limit;
  return Math.fround(limit) === value;
}

/** Rows without a number come last in both orders. Numbers and rows are sorted as one integer each, which takes no comparing function. */
function sortedBy(column: Column, rows: Uint32Array, descending: boolean): Uint32Array {
  const keys = new BigUint64Array(rows.length);
  const halves = new Uint32Array(keys.buffer);
  const [float, bits] = sharedBits();
  rows.forEach((row, place) => {
    float[0] = column.at(row);
    halves[2 * place] = row;
    halves[2 * place + 1] = Number.isNaN(float[0]) ? 0xffffffff : orderedBits(bits[0] ?? 0, descending);
  });
  keys.sort();
  return Uint32Array.from(rows, (_row, place) => halves[2 * place] ?? 0);
}

function sharedBits(): [Float32Array, Uint32Array] {
  const float = new Float32Array(1);
  return [float, new Uint32Array(float.buffer)];
}

/** The bits of a float as an integer of the same order. */
function orderedBits(bits: number, descending: boolean): number {
  const ascending = (bits & 0x80000000) === 0 ? bits | 0x80000000 : ~bits;
  return (descending ? ~ascending : ascending) >>> 0;
}
