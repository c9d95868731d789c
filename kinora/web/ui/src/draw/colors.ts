/** The colours of detections: bright enough for dark text, and different from their neighbours. */
const COLORS = ["#ffaf50", "#5adc78", "#50aaff", "#ff78b4", "#ebe13c", "#50d7eb", "#dc8cff", "#c8c88c"] as const;

/** The colour of a track, or of a class if there is no track; the same in all frames. */
export function colorOf({ kind, trackId }: { kind: string; trackId: number | null }): string {
  return COLORS[Math.abs(trackId ?? hash(kind)) % COLORS.length] ?? COLORS[0];
}

function hash(text: string): number {
  let value = 7;
  for (let i = 0; i < text.length; i++) value = (value * 31 + text.charCodeAt(i)) | 0;
  return value;
}
