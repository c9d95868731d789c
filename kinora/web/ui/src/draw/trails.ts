/** The recent path of each track: the middle of its box's lower edge, in shares (0 to 1) of the picture's size. */
import type { FrameData } from "../api/generated";
import { allDetections, type Point } from "./detections";

/** The number of frames before the shown one that a trail covers. */
export const TRAIL_FRAMES = 60;

/** The trails of the tracks in `frames`, which are in order. */
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
