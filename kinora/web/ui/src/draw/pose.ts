/** The key points of detections, and the skeletons that join them. */
import type { FrameData, Json } from "../api/generated";
import { isNumber, isObject, listOf, readPoint, type Detection, type Point } from "./detections";

/** Key points with a lower confidence are not drawn. */
const LEAST_CONFIDENCE = 0.25;

/** Pairs of key points, by their places in a detection's list, between which a bone is drawn. */
export type Skeleton = readonly (readonly [number, number])[];

/** The skeletons by the plugins that name one. */
export type Skeletons = ReadonlyMap<string, Skeleton>;

export const NO_SKELETONS: Skeletons = new Map();

/** The skeletons in plugins' metadata. */
export function skeletonsOf(metadata: Readonly<Record<string, object>>): Skeletons {
  const all = Object.entries(metadata).map(([plugin, value]): [string, Skeleton] => [plugin, readSkeleton(value)]);
  return new Map(all.filter(([, skeleton]) => skeleton.length > 0));
}

function readSkeleton(metadata: object): Skeleton {
  return listOf(metadata as Json, "skeleton").flatMap((pair) => {
    const [from, to] = Array.isArray(pair) ? pair : [];
    return isNumber(from) && isNumber(to) ? [[from, to] as const] : [];
  });
}

/** The skeleton of a detection's plugin; if that names none, that of another one with results on this frame, as a tracker passes poses on. */
export function skeletonFor(plugin: string, { results }: FrameData, skeletons: Skeletons): Skeleton {
  const named = [plugin, ...Object.keys(results)].find((name) => skeletons.has(name));
  return skeletons.get(named ?? plugin) ?? [];
}

/** The detection's key points by their places; null for those that are not seen. */
export function keyPointsOf({ given }: Detection): (Point | null)[] {
  return listOf(given, "keypoints").map((value) => (confidenceOf(value) < LEAST_CONFIDENCE ? null : readPoint(value)));
}

function confidenceOf(value: Json): number {
  const confidence = Array.isArray(value) ? value[2] : isObject(value) ? value.confidence : undefined;
  return isNumber(confidence) ? confidence : 1;
}

/** The bones whose two ends are seen. */
export function bonesOf(points: readonly (Point | null)[], skeleton: Skeleton): [from: Point, to: Point][] {
  return skeleton.flatMap(([a, b]) => {
    const [from, to] = [points[a], points[b]];
    return from && to ? [[from, to]] : [];
  });
}
