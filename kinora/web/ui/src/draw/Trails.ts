/** Where each track has been lately, by the feet of its box, as shares of the picture. */
import type { FrameData } from "../api/types";
import { allDetections, type Point } from "./detections";

const MAX_POINTS = 60;
const MAX_TRACKS = 100;
/** Further apart than this, frames are no continuation of each other. */
const MAX_STEP = 30;

export class Trails {
  readonly tracks = new Map<number, Point[]>();
  #index = -1;

  add(frame: FrameData): void {
    const step = frame.index - this.#index;
    if (step === 0) return;
    if (step < 0 || step > MAX_STEP) this.tracks.clear();
    this.#index = frame.index;
    for (const { trackId, x, y, width, height } of allDetections(frame)) {
      if (trackId === null) continue;
      const points = this.tracks.get(trackId) ?? [];
      points.push({ x: (x + width / 2) / frame.width, y: (y + height) / frame.height });
      if (points.length > MAX_POINTS) points.shift();
      this.tracks.delete(trackId);
      this.tracks.set(trackId, points);
    }
    for (const id of this.tracks.keys()) {
      if (this.tracks.size <= MAX_TRACKS) break;
      this.tracks.delete(id);
    }
  }

  clear(): void {
    this.tracks.clear();
    this.#index = -1;
  }
}
