/** The seconds that the rest takes at this pace; null while the pace or the total is unknown. */
export function secondsLeft(done: number, total: number | null, fps: number | null): number | null {
  if (total === null || fps === null || fps <= 0 || done === 0) return null;
  return Math.max(0, total - done) / fps;
}
