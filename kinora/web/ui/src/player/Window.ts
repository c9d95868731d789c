/** The part of the timeline that the scrubber shows, in rows. */
export interface RowWindow {
  first: number;
  last: number;
}

/** The least rows that a scrubber shows. */
const MIN_ROWS = 20;
const FIRST_GUESS = 250;

/** The number of rows that a scrubber has room for: all that the job will have, so that nothing moves until the timeline is complete.
 *
 * A source without a known end gets room that doubles whenever it is full.
 */
export function extentOf(rows: number, total: number | null, complete: boolean): number {
  if (complete) return rows;
  if (total !== null) return Math.max(rows, total);
  let extent = FIRST_GUESS;
  while (extent < rows) extent *= 2;
  return extent;
}

/** The window enlarged by `factor` around `row`; all of the rows if it is null. */
export function zoomed(window: RowWindow | null, factor: number, row: number, extent: number): RowWindow | null {
  const { first, last } = window ?? { first: 0, last: extent - 1 };
  const rows = Math.round((last - first + 1) / factor);
  if (rows >= extent) return null;
  const kept = Math.min(extent, Math.max(MIN_ROWS, rows));
  const share = last > first ? (row - first) / (last - first) : 0.5;
  return placed(Math.round(row - share * (kept - 1)), kept, extent);
}

/** The window moved by some rows, or so that it has `row` in it. */
export function moved(window: RowWindow, by: number, extent: number): RowWindow {
  return placed(window.first + by, window.last - window.first + 1, extent);
}

/** The window that has `row` in it: the same one, or one that begins a little before it. */
export function following(window: RowWindow, row: number, extent: number): RowWindow {
  if (row >= window.first && row <= window.last) return window;
  const rows = window.last - window.first + 1;
  return placed(row - Math.round(rows / 10), rows, extent);
}

function placed(first: number, rows: number, extent: number): RowWindow {
  const begin = Math.max(0, Math.min(first, extent - rows));
  return { first: begin, last: Math.min(extent, begin + rows) - 1 };
}
