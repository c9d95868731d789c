/** Warnings in groups, merged from a job's state, which has all, and from messages, which have the newest. */
import type { WarningGroup, WarningPayload } from "../api/generated";
import type { ShownWarning } from "./state";

/** The most groups shown, as a job can make warnings without end; the first ones are kept. */
export const MAX_GROUPS = 500;

export function warningText(group: Pick<ShownWarning, "plugin" | "message">): string {
  return group.plugin === null ? group.message : `${group.plugin}: ${group.message}`;
}

export function indexOfFrameId(frameId: string | null): number | null {
  const match = frameId === null ? null : /(\d+)$/.exec(frameId);
  return match ? Number(match[1]) : null;
}

/** `groups` with one more warning; a repeat raises its group's count to the server's, by at least one. */
export function withWarning(groups: ShownWarning[], warning: WarningPayload, time: string | null = null): ShownWarning[] {
  const fresh = groupOf({ ...warning, at: time });
  const at = groups.findIndex(({ key }) => key === fresh.key);
  const known = groups[at];
  if (!known) return groups.length < MAX_GROUPS ? [...groups, fresh] : groups;
  return groups.with(at, { ...known, count: Math.max(fresh.count, known.count + 1) });
}

/** The groups of a job's state merged with `groups`; the higher count of each group is kept. */
export function withState(groups: ShownWarning[], warnings: readonly WarningGroup[]): ShownWarning[] {
  const known = new Map(groups.map((group) => [group.key, group]));
  const told = warnings.map(groupOf).map((group) => {
    const count = Math.max(group.count, known.get(group.key)?.count ?? 0);
    known.delete(group.key);
    return { ...group, count };
  });
  const next = [...told, ...known.values()].slice(0, MAX_GROUPS);
  return isSame(next, groups) ? groups : next;
}

function groupOf({ plugin, code, severity, message, count, frame_id, at }: WarningGroup): ShownWarning {
  // Each return of a camera says another length of its outage: the server keeps them as one, and so does the page.
  const key = code === "SOURCE_BACK" ? code : `${plugin ?? ""} ${code} ${message}`;
  return { key, plugin, message, code, severity, count, frameIndex: indexOfFrameId(frame_id), at };
}

function isSame(a: readonly ShownWarning[], b: readonly ShownWarning[]): boolean {
  return a.length === b.length && a.every((group, i) => group.key === b[i]?.key && group.count === b[i].count);
}
