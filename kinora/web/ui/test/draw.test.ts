import { expect, test } from "vitest";
import { colorOf } from "../src/draw/colors";
import { contains, cornersOf, detectionInWords, isCut, labelOf, visibleDetections } from "../src/draw/detections";
import { maskPieces } from "../src/draw/mask";
import { isMarked, markOf, Picked } from "../src/draw/Picked";
import { PictureView } from "../src/draw/PictureView";
import { bonesOf, keyPointsOf, skeletonFor, skeletonsOf } from "../src/draw/pose";
import { allClasses, allShapes, allSpots, classInWords } from "../src/draw/shapes";
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
  const [nested] = visibleDetections(frame(0, { pose: { detections: [{ ...box, keypoints: [[9, 9], { x: 7, y: 8, confidence: 0.1 }, { x: 7, y: 8 }] }] } }));
  expect(allShapes(frame(0, { pitch: result })).map(({ points, closed }) => [points.length, closed])).toEqual([[2, false], [2, false], [3, false]]);
  expect(allSpots(frame(0, { pitch: result }))).toEqual([{ x: 1, y: 2, label: null }, { x: 3, y: 4, label: null }]);
  expect(nested && keyPointsOf(nested)).toEqual([{ x: 9, y: 9 }, null, { x: 7, y: 8 }]);
});

test("polygons are closed lines, and lines, polygons and points have their labels; hiding their plugin hides them", () => {
  const result = { polygons: [{ points: [[0, 0], [9, 0], [9, 9]], label: "zone" }, [1]], points: [[5, 6], { x: 7, y: 8, label: "ball" }], lines: [{ points: [[0, 0], [9, 0]], label: "" }] };
  const zones = frame(0, { zones: result });
  expect(allShapes(zones)).toEqual([
    { points: [{ x: 0, y: 0 }, { x: 9, y: 0 }], closed: false, label: null },
    { points: [{ x: 0, y: 0 }, { x: 9, y: 0 }, { x: 9, y: 9 }], closed: true, label: "zone" },
  ]);
  expect(allSpots(zones)).toEqual([{ x: 5, y: 6, label: null }, { x: 7, y: 8, label: "ball" }]);
  const hiding = { hidden: new Set(["zones"]), confidence: 0 };
  expect([allShapes(zones, hiding), allSpots(zones, hiding)]).toEqual([[], []]);
});

test("the classes of the whole picture are read, and hidden as those of detections are", () => {
  const sure = frame(0, { animals: { classes: [{ class: "cat", confidence: 0.93 }, { class: "dog" }, { class: 3 }, null] }, odd: { classes: "cat" } });
  const shown = (hidden: string[], confidence = 0) => allClasses(sure, { hidden: new Set(hidden), confidence }).map(classInWords);
  expect([shown([]), shown([], 0.95), shown(["animals/dog"]), shown(["animals"])]).toEqual([["cat 93%", "dog"], ["dog"], ["cat 93%"], []]);
});

test("a skeleton joins the key points that are seen; a plugin without one borrows that of the plugin before it", () => {
  const skeletons = skeletonsOf({ pose: { skeleton: [[0, 1], [1, 2], [2, 9], "x", [1]] }, tracker: {}, other: { skeleton: [[0, 5]] } });
  const posed = frame(0, { pose: { detections: [{ ...box, keypoints: [[0, 0, 0.9], [5, 5, 0.9], [9, 9, 0]] }] }, tracker: {} });
  const [person] = visibleDetections(posed);
  if (!person) throw new Error("There is a person.");
  expect(["pose", "tracker"].map((plugin) => skeletonFor(plugin, posed, skeletons))).toEqual([[[0, 1], [1, 2], [2, 9]], [[0, 1], [1, 2], [2, 9]]]);
  expect(bonesOf(keyPointsOf(person), skeletonFor("pose", posed, skeletons))).toEqual([[{ x: 0, y: 0 }, { x: 5, y: 5 }]]);
  expect(skeletonFor("tracker", frame(0, { tracker: {} }), skeletons)).toEqual([]);
});

test("a text is on the label, and the angle and attributes are told", () => {
  const [plate] = visibleDetections(frame(0, { plates: { detections: [{ ...box, class: "plate", text: "B-XY 12", angle: 12.345, attributes: { colour: "red", rows: 2 } }] } }));
  if (!plate) throw new Error("There is a plate.");
  expect(labelOf(plate)).toBe("plate “B-XY 12” 88%");
  expect(detectionInWords(plate).slice(-3)).toEqual([["angle", "12.3°"], ["colour", "red"], ["rows", "2"]]);
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
