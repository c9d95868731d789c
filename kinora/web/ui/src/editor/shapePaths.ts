/** Where shapes are on the screen. */
import type { CSSProperties } from "react";
import { COLORS } from "../draw/colors";
import type { Point } from "../draw/detections";
import type { Size } from "../draw/PictureView";

/** The length of the arrow at a line, as a share of the picture's shorter side. */
const ARROW = 0.08;

export const pointsText = (points: readonly Point[]) => points.map(({ x, y }) => `${x},${y}`).join(" ");

export function centreOf(points: readonly Point[]): Point {
  const sum = points.reduce((known, { x, y }) => ({ x: known.x + x, y: known.y + y }), { x: 0, y: 0 });
  return { x: sum.x / points.length, y: sum.y / points.length };
}

/** The style that puts an element on a point of the picture. */
export function placed({ x, y }: Point, { width, height }: Size): CSSProperties {
  return { left: `${(100 * x) / width}%`, top: `${(100 * y) / height}%` };
}

/** The middle of a line, and a point to its right as one looks along it: a crossing to that side counts as in. */
export function inward([from, to]: readonly Point[], { width, height }: Size): [Point, Point] | null {
  if (!from || !to) return null;
  const [x, y] = [to.x - from.x, to.y - from.y];
  const share = (ARROW * Math.min(width, height)) / Math.max(1, Math.hypot(x, y));
  const middle = centreOf([from, to]);
  return [middle, { x: middle.x - share * y, y: middle.y + share * x }];
}

export function colorAt(at: number): string {
  return COLORS[at % COLORS.length] ?? COLORS[0];
}
