/** Warnings, grouped: from messages with all details, from a job's state as bare texts. */
import type { WarningPayload } from "./messages";
import type { WarningGroup } from "./state";

/** A job can warn without end; what is shown is the first so many kinds. */
export const MAX_GROUPS = 500;

/** What stands in a text where a plugin's name would, when it is about none. */
const ABOUT_JOB: ReadonlySet<string> = new Set(["device", "source"]);

export function warningText(group: Pick<WarningGroup, "plugin" | "message">): string {
  return group.plugin === null ? group.message : `${group.plugin}: ${group.message}`;
}

export function indexOfFrameId(frameId: string | null): number | null {
  const match = frameId === null ? null : /(\d+)$/.exec(frameId);
  return match ? Number(match[1]) : null;
}

/** `groups` with one more warning; a repeat raises its group's count to what the server says, at least by one. */
export function withWarning(groups: WarningGroup[], warning: WarningPayload): WarningGroup[] {
  const key = warningText(warning);
  const at = groups.findIndex((group) => group.key === key);
  const known = groups[at];
  if (!known && groups.length >= MAX_GROUPS) return groups;
  const fresh: WarningGroup = {
    key,
    plugin: warning.plugin,
    message: warning.message,
    code: warning.code,
    severity: warning.severity,
    count: Math.max(warning.count ?? 1, known?.code ? known.count + 1 : (known?.count ?? 1)),
    frameIndex: known?.frameIndex ?? indexOfFrameId(warning.frame_id),
  };
  return known ? groups.with(at, fresh) : [...groups, fresh];
}

/** `groups` with what a job's state says, in the order of its texts; what only messages tell is kept. */
export function withTexts(groups: WarningGroup[], texts: readonly string[]): WarningGroup[] {
  const known = new Map(groups.map((group) => [group.key, group]));
  const told = texts.map(groupOfText).map((group) => {
    const live = known.get(group.key);
    known.delete(group.key);
    return live ? { ...live, count: Math.max(live.count, group.count) } : group;
  });
  const next = [...told, ...known.values()].slice(0, MAX_GROUPS);
  return isSame(next, groups) ? groups : next;
}

/** From `plugin: message (12 times)`. */
function groupOfText(text: string): WarningGroup {
  const match = /^(?:([^\s:]+): )?([^]*?)(?: \((\d+) times\))?$/.exec(text);
  const [, origin, message = text, times] = match ?? [];
  const plugin = origin === undefined || ABOUT_JOB.has(origin) ? null : origin;
  const count = Number(times ?? 1);
  return { key: warningText({ plugin, message }), plugin, message, code: null, severity: null, count, frameIndex: null };
}

function isSame(a: readonly WarningGroup[], b: readonly WarningGroup[]): boolean {
  return a.length === b.length && a.every((group, i) => group.key === b[i]?.key && group.count === b[i].count);
}
