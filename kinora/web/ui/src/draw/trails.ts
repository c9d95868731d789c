/** Where each track has been lately, by the feet of its box, as shares of the picture. */
import type { FrameData } from "../api/generated";
import { allDetections, type Point } from "./detections";

/** Frames that a trail goes back. */
export const TRAIL_FRAMES = 60;

/** The ways of the tracks through these frames, which come in order. */
export function trailsOf(frames: readonly FrameData[]): Map<number, Point[]> {
  const trails = new Map<number, Point[]>();
  for (const frame of frames) {
    for (const { trackId, x, y, width, height } of allDetections(frame)) {
      if (trackId === null) continue;
      const points = trails.get(trackId) ?? [];
      points.push({ x: (x + width / 2) / frame.width, y: (y + height) / frame.height });
      trails.set(trackId, points);
    }
  }
  return trails;
}
