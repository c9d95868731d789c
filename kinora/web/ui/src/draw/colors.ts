/** The colours of detections: bright enough for dark text, and different from their neighbours. */
import type { Detection } from "./detections";

export const COLORS = ["#ffaf50", "#5adc78", "#50aaff", "#ff78b4", "#ebe13c", "#50d7eb", "#dc8cff", "#c8c88c"] as const;

export const COLOR_BY = ["track", "class", "plugin"] as const;
export type ColorBy = (typeof COLOR_BY)[number];

/** The colour of a detection; the same in all frames. By track, those without a track have the colour of their class. */
export function colorOf({ kind, trackId, plugin = "" }: Pick<Detection, "kind" | "trackId"> & { plugin?: string }, by: ColorBy = "track"): string {
  const number = by === "plugin" ? hash(plugin) : by === "track" ? (trackId ?? hash(kind)) : hash(kind);
  return COLORS[Math.abs(number) % COLORS.length] ?? COLORS[0];
}

function hash(text: string): number {
  let value = 7;
  for (let i = 0; i < text.length; i++) value = (value * 31 + text.charCodeAt(i)) | 0;
  return value;
}
