export type Tone = "neutral" | "info" | "good" | "warn" | "bad";

const TONES: Record<string, Tone> = {
  queued: "neutral",
  ready: "good",
  busy: "info",
  away: "warn",
  leaving: "neutral",
  waiting: "neutral",
  started: "info",
  running: "info",
  reconnecting: "warn",
  paused: "warn",
  done: "good",
  completed: "good",
  ok: "good",
  degraded: "warn",
  interrupted: "warn",
  cancelled: "neutral",
  stopped: "neutral",
  failed: "bad",
  broken: "bad",
  low: "neutral",
  medium: "warn",
  high: "bad",
};

/** A state as a word; the colour repeats its meaning. */
export function Badge({ text, tone = TONES[text] ?? "neutral" }: { text: string; tone?: Tone }) {
  return <span className={`badge ${tone}`}>{text}</span>;
}
