/** The most pictures per second that a wall asks for in all: each is a whole JPEG, and is decoded here. */
const PICTURES_PER_S = 40;
const MOST_FPS = 12;

/** The pictures per second of each of `tiles` tiles: fewer the more there are, at least one. */
export function paceOf(tiles: number): number {
  return Math.min(MOST_FPS, Math.max(1, Math.floor(PICTURES_PER_S / Math.max(1, tiles))));
}
