/** Where shapes are on the screen. */
import type { CSSProperties } from "react";
import { COLORS } from "../draw/colors";
import type { Point } from "../draw/detections";
import type { Size } from "../draw/PictureView";

export const pointsText = (points: readonly Point[]) => points.map(({ x, y }) => `${x},${y}`).join(" ");

export function centreOf(points: readonly Point[]): Point {
  const sum = points.reduce((known, { x, y }) => ({ x: known.x + x, y: known.y + y }), { x: 0, y: 0 });
  return { x: sum.x / points.length, y: sum.y / points.length };
}

/** The style that puts an element on a point of the picture. */
export function placed({ x, y }: Point, { width, height }: Size): CSSProperties {
  return { left: `${(100 * x) / width}%`, top: `${(100 * y) / height}%` };
}

export function colorAt(at: number): string {
  return COLORS[at % COLORS.length] ?? COLORS[0];
}
