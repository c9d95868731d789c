import { expect, test } from "vitest";
import { colorOf } from "../src/draw/colors";
import { allKeyPoints, allLines, contains, cornersOf, isCut, labelOf, visibleDetections } from "../src/draw/detections";
import { maskPieces } from "../src/draw/mask";
import { isMarked, markOf, Picked } from "../src/draw/Picked";
import { PictureView } from "../src/draw/PictureView";
import { trailsOf } from "../src/draw/trails";
import { frame } from "./examples";

const box = { x: 10, y: 20, width: 30, height: 40, confidence: 0.876, class: "person" };

test("where a class is tracked, its untracked detections are not shown again", () => {
  const found = visibleDetections(
    frame(0, { people: { detections: [box] }, motion: { detections: [{ ...box, class: "motion" }] }, tracker: { detections: [{ ...box, track_id: 3 }] } }),
  );
  expect(found.map(({ plugin }) => plugin)).toEqual(["motion", "tracker"]);
  expect(found.map(labelOf)).toEqual(["motion 88%", "person #3 88%"]);
});

test("malformed detections are skipped", () => {
  expect(visibleDetections(frame(0, { a: { detections: [null, 3, "x", {}, { x: "1" }] }, b: { detections: 7 }, c: null, d: [] }))).toEqual([]);
});

test("lines and key points are read in each form", () => {
  const result = { lines: [[0, 1, 2, 3], { x1: 0, y1: 0, x2: 5, y2: 5 }, { points: [[1, 1], [2, 2], [3, 3]] }, "x"], keypoints: [[1, 2], { x: 3, y: 4 }] };
  const nested = { detections: [{ ...box, keypoints: [[9, 9]] }] };
  expect(allLines(frame(0, { pitch: result })).map((line) => line.length)).toEqual([2, 2, 3]);
  expect(allKeyPoints(frame(0, { pitch: result, pose: nested }))).toEqual([{ x: 1, y: 2 }, { x: 3, y: 4 }, { x: 9, y: 9 }]);
});

test("polygons are closed lines, and points are drawn as key points", () => {
  const result = { polygons: [{ points: [[0, 0], [9, 0], [9, 9]], label: "zone" }, [1]], points: [[5, 6], { x: 7, y: 8 }] };
  expect(allLines(frame(0, { zones: result }))).toEqual([[{ x: 0, y: 0 }, { x: 9, y: 0 }, { x: 9, y: 9 }, { x: 0, y: 0 }]]);
  expect(allKeyPoints(frame(0, { zones: result }))).toEqual([{ x: 5, y: 6 }, { x: 7, y: 8 }]);
});

test("a frame is a cut if any plugin says so", () => {
  expect([isCut(frame(0, { scenes: { cut: true } })), isCut(frame(0, { scenes: { cut: 1 } }))]).toEqual([true, false]);
});

test("a track keeps its colour", () => {
  expect(colorOf({ kind: "person", trackId: 3 })).toBe(colorOf({ kind: "dog", trackId: 3 }));
  expect(colorOf({ kind: "person", trackId: 3 })).not.toBe(colorOf({ kind: "person", trackId: 4 }));
});

test("a trail follows the lower edge of its track's box", () => {
  const at = (index: number, x: number) => frame(index, { tracker: { detections: [{ ...box, x, track_id: 1 }, box] } });
  expect([...trailsOf([at(1, 10), frame(2), at(3, 20)])]).toEqual([[1, [{ x: 25 / 640, y: 60 / 360 }, { x: 35 / 640, y: 60 / 360 }]]]);
});

test("plugins, classes and doubtful detections can be hidden, and what a hidden tracker stood for is then shown", () => {
  const both = frame(0, { people: { detections: [box, { ...box, confidence: 0.3 }] }, tracker: { detections: [{ ...box, track_id: 3 }] } });
  const shown = (hidden: string[], confidence = 0) => visibleDetections(both, { hidden: new Set(hidden), confidence }).map(labelOf);
  expect(shown([])).toEqual(["person #3 88%"]);
  expect(shown(["tracker"])).toEqual(["person 88%", "person 30%"]);
  expect(shown(["tracker/person"], 0.5)).toEqual(["person 88%"]);
  expect(shown(["people/person", "tracker"])).toEqual([]);
});

test("colours follow the track, the class or the plugin", () => {
  const of = (plugin: string, kind: string, trackId: number | null) => ({ plugin, kind, trackId });
  expect(colorOf(of("a", "person", 1), "class")).toBe(colorOf(of("b", "person", 2), "class"));
  expect(colorOf(of("a", "person", 1), "plugin")).toBe(colorOf(of("a", "dog", null), "plugin"));
});

test("enlarging keeps the point under the pointer, and the picture never leaves the canvas", () => {
  const view = new PictureView();
  const [canvas, picture] = [{ width: 800, height: 600 }, { width: 400, height: 300 }];
  expect(view.placing(canvas, picture)).toEqual({ left: 0, top: 0, scale: 2 });
  view.zoomBy(2, { x: 200, y: 150 }, canvas, picture);
  expect(view.placing(canvas, picture)).toEqual({ left: -200, top: -150, scale: 4 });
  view.pan({ x: 9999, y: -9999 }, canvas, picture);
  expect(view.placing(canvas, picture)).toEqual({ left: 0, top: -600, scale: 4 });
  view.zoomBy(0.01, { x: 0, y: 0 }, canvas, picture);
  expect([view.zoom(), view.placing(canvas, picture).left]).toEqual([1, 0]);
});

test("a chosen track stays chosen from frame to frame, and a detection without a track only on its own", () => {
  const picked = new Picked();
  const [tracked, plain] = visibleDetections(frame(0, { a: { detections: [{ ...box, class: "dog" }] }, b: { detections: [{ ...box, track_id: 3 }] } })).toReversed();
  if (!tracked || !plain) throw new Error("Both are visible.");
  picked.choose(markOf(tracked, 0));
  expect(isMarked(picked.get().chosen, { ...tracked, at: 5 }, 9)).toBe(true);
  picked.choose(markOf(plain, 0));
  expect([isMarked(picked.get().chosen, plain, 0), isMarked(picked.get().chosen, plain, 1)]).toEqual([true, false]);
  picked.choose(markOf(plain, 0));
  expect(picked.get().chosen).toBeNull();
});

test("a detection's own shape is its polygon, or its box turned about its centre, and a turned box is touched where it is seen", () => {
  const shapes = { detections: [box, { ...box, polygon: [[1, 1], [9, 1], [5, 8]] }, { x: 0, y: 10, width: 40, height: 20, angle: 90 }, { ...box, polygon: [7] }] };
  const [plain, cornered, upright, odd] = visibleDetections(frame(0, { shapes }));
  if (!plain || !cornered || !upright || !odd) throw new Error("All four are detections.");
  expect([plain, odd].map(cornersOf)).toEqual([null, null]);
  expect(cornersOf(cornered)).toEqual([{ x: 1, y: 1 }, { x: 9, y: 1 }, { x: 5, y: 8 }]);
  expect(cornersOf(upright)?.map(({ x, y }) => `${Math.round(x)},${Math.round(y)}`)).toEqual(["30,0", "30,40", "10,40", "10,0"]);
  expect([{ x: 2, y: 20 }, { x: 20, y: 2 }].map((point) => contains(upright, point))).toEqual([false, true]);
});

test("a mask is read from COCO's compressed code, down its columns, and one that does not fit its size is left out", () => {
  // Runs of 2, 3, 4 and 3 pixels; all codes here are pycocotools'.
  const mask = { x: 10, y: 20, width: 3, height: 4, counts: "2340" };
  expect(maskPieces(mask)).toEqual([
    { x: 10, y: 22, width: 1, height: 2 },
    { x: 11, y: 20, width: 1, height: 1 },
    { x: 12, y: 21, width: 1, height: 3 },
  ]);
  expect(maskPieces({ ...mask, counts: "0<" })).toEqual([{ x: 10, y: 20, width: 3, height: 4 }]);
  const disc = { ...mask, width: 50, height: 40, counts: "_:;j06L2M4M2N2N2O0O2N2O000O2O00000000000000000001N10001N2N101N2N2N3L3N4J\\8" };
  expect(maskPieces(disc).reduce((pixels, { width, height }) => pixels + width * height, 0)).toBe(1005);
  for (const bad of [{ ...mask, counts: "0=" }, { ...mask, height: 0 }, { ...mask, counts: 7 }, [], null, "x"]) expect(maskPieces(bad)).toEqual([]);
});
