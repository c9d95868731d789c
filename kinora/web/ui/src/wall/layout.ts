/** How many tiles stand beside each other. */

const MOST = 4;
/** On a phone so many tiles or more stand in two columns. */
const MANY = 5;

export interface WallLayout {
  columns: number;
  /** The rows that fit the window at once; further ones are below. */
  rows: number;
  /** The columns on a narrow screen. */
  narrow: number;
}

export function layoutOf(tiles: number): WallLayout {
  const columns = Math.min(MOST, Math.max(1, Math.ceil(Math.sqrt(tiles))));
  return { columns, rows: Math.min(MOST, Math.max(1, Math.ceil(tiles / columns))), narrow: tiles < MANY ? 1 : 2 };
}
