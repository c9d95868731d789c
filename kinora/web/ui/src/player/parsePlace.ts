/** A place in a video that the user typed: a frame's number such as `120`, or a time such as `1:23.4`, `1:02:03` or `83 s`. */
export type Place = { frame: number } | { ms: number };

/** Null if the text is neither. */
export function parsePlace(text: string): Place | null {
  const trimmed = text.trim();
  if (/^#?\d+$/.test(trimmed)) return { frame: Number(trimmed.replace("#", "")) };
  const seconds = /^(\d+(?:\.\d+)?) ?s$/.exec(trimmed)?.[1];
  if (seconds !== undefined) return { ms: 1000 * Number(seconds) };
  const [, hours = "0", minutes, rest] = /^(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d+)?)$/.exec(trimmed) ?? [];
  if (minutes === undefined) return null;
  return { ms: 1000 * (3600 * Number(hours) + 60 * Number(minutes) + Number(rest)) };
}
