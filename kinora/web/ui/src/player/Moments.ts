/** Finds the next frame of a kind: with a detection, with a warning, or where something happens. */
import type { Timeline } from "./Timeline";

export type MomentKind = "detection" | "warning" | "event";

/** The nearest row beyond `row` in this direction; null if there is none. `marked` has the rows with warnings, or those with events.
 *
 * A detection is a frame with more or fewer detections than the one before it; an event is what a plugin calls so, and the beginning of a scene.
 */
export function nextMoment(timeline: Timeline, kind: MomentKind, row: number, direction: 1 | -1, marked: readonly number[]): number | null {
  const is = testOf(timeline, kind, marked);
  for (let at = row + direction; at >= 0 && at < timeline.length; at += direction) if (is(at)) return at;
  return null;
}

function testOf(timeline: Timeline, kind: MomentKind, marked: readonly number[]): (row: number) => boolean {
  const rows = new Set(marked);
  if (kind === "event") return (row) => timeline.isCut(row) || rows.has(row);
  if (kind === "warning") return (row) => rows.has(row);
  return (row) => timeline.found(row) > 0 && timeline.found(row) !== (row === 0 ? 0 : timeline.found(row - 1));
}
