import { expect, test } from "vitest";
import { drawOverlay } from "../src/draw/drawOverlay";
import { drawRadar, radarBox, radarMoved } from "../src/draw/drawRadar";
import { overlap, type Rect } from "../src/draw/placeLabels";
import { trailsOf } from "../src/draw/trails";
import type { ViewOptions } from "../src/draw/viewOptions";
import { drawTimings } from "../src/inspector/drawTimings";
import { timesOf } from "../src/inspector/times";
import { Timeline } from "../src/player/Timeline";
import { TimingHistory } from "../src/realtime/TimingHistory";
import { drawTicks } from "../src/results/drawTicks";
import { frame, job } from "./examples";

type Call = [name: string, ...values: unknown[]];

/** A canvas of 320 × 100 pixels that records the calls of its context. */
function paper() {
  const calls: Call[] = [];
  const context = new Proxy({}, {
    get: (own: Record<string, unknown>, name: string) => own[name] ?? ((...values: unknown[]) => {
      calls.push([name, ...values, own.textAlign]);
      return { width: 40 };
    }),
  }) as unknown as CanvasRenderingContext2D;
  const canvas = document.createElement("canvas");
  Object.defineProperties(canvas, { clientWidth: { value: 320 }, clientHeight: { value: 100 }, getContext: { value: () => context } });
  const drawn = (name: string) => calls.filter(([called]) => called === name);
  const texts = () => drawn("fillText").map(([, text]) => text);
  return { canvas, context, drawn, texts };
}

test("the chart has a bar for run and one for waiting on each of the last frames, on the scale of all plugins, and no words", () => {
  const { canvas, drawn, texts } = paper();
  const history = new TimingHistory();
  for (let i = 0; i < 200; i++) history.add(i, i < 190 ? 20 : 60, 5);
  const times = timesOf(["people", "slow"], new Map([["people", history]]), {});
  drawTimings(canvas, "people", { ...times, top: 100 }, history, 40);
  expect(drawn("fillRect")).toHaveLength(2 * 120 + 1);
  expect(drawn("fillRect").slice(-3).map(([, , y, , height]) => [Math.round(Number(y)), Math.round(Number(height))])).toEqual([[40, 60], [35, 5], [60, 1]]);
  expect(texts()).toEqual([]);
});

test("a time beyond the scale is cut off, and a cap shows it", () => {
  const { canvas, drawn } = paper();
  const history = new TimingHistory();
  history.add(0, 400, 50);
  drawTimings(canvas, "people", { words: "", recent: true, plugins: [], top: 100 }, history, null);
  expect(drawn("fillRect").map(([, , y, , height]) => [y, height])).toEqual([[0, 100], [0, 0], [0, 2]]);
});

const summary = (p50: number, p95: number) => ({ last: 1, mean: p50, p50, p95, max: 2 * p95 });

test("all plugins' figures are on one scale, about the last frames; of a plugin without results, and without times of single frames, about the whole job", () => {
  const stages = job().plugins;
  const people = stages.people;
  if (!people) throw new Error("The job has people.");
  const plugins = { people: { ...people, run_ms: summary(12, 30), queue_ms: summary(4, 8) }, slow: { ...people, run_ms: summary(90, 100), queue_ms: summary(50, 100) }, young: people, dead: { ...people, frames: 0, run_ms: summary(9, 9), queue_ms: summary(9, 9) } };
  const whole = timesOf(["people", "slow", "young", "dead"], new Map(), plugins);
  expect(whole).toMatchObject({ words: "whole job", recent: false });
  expect(whole.plugins.map(([name]) => name)).toEqual(["people", "slow"]);
  expect(whole.top).toBeCloseTo(220);
  const history = new TimingHistory();
  for (let i = 0; i < 20; i++) history.add(i, i, 2);
  const recent = timesOf(["people", "slow"], new Map([["people", history]]), plugins);
  expect(recent).toMatchObject({ words: "last 20 frames; slow: whole job", recent: true });
  expect(recent.plugins).toMatchObject([
    ["people", { words: "last 20 frames", run: { mean: 9.5, p50: 9, p95: 18 }, queue: { p50: 2 } }],
    ["slow", { words: "whole job", run: { p50: 90 }, queue: { p50: 50 } }],
  ]);
  expect(recent.top).toBeCloseTo(220);
  const { canvas, drawn, texts } = paper();
  drawTimings(canvas, "people", whole, null, 40);
  expect(drawn("fillRect").map(([, x, , width]) => [x, Math.round(Number(width))])).toEqual([[0, 44], [0, 17], [0, 12], [0, 6], [58, 1]]);
  expect(texts()).toEqual([]);
});

test("the scrubber has a bar at detections, a line at each cut, a flag at each warning and a dot at each event", () => {
  const { canvas, drawn } = paper();
  const timeline = new Timeline();
  const found = { detections: [{ x: 0, y: 0, width: 1, height: 1, class: "person" }] };
  for (let index = 0; index < 100; index++) timeline.add(frame(index, { people: index === 50 ? found : {}, scenes: { cut: index === 20 } }));
  drawTicks(canvas, timeline, { warned: [10, 90], events: [], outages: false }, { first: 0, last: 99 });
  const heights = drawn("fillRect").map(([, , , , height]) => height as number);
  expect(heights.filter((height) => height > 0 && height < 100)).toHaveLength(1);
  expect(heights.filter((height) => height === 100)).toHaveLength(1);
  expect(drawn("fill")).toHaveLength(2);
  drawTicks(canvas, timeline, { warned: [], events: [30, 30, 70, 200], outages: false }, { first: 0, last: 99 });
  expect(drawn("arc"), "two at one place are one dot, and each has a gap around it").toHaveLength(2 * 2);
});

test("an outage of the source is a band on the scrubber, and the room after a live job's last frame is hatched", () => {
  const timeline = new Timeline();
  for (let index = 0; index < 60; index++) timeline.add({ ...frame(index), timestamp_ms: index * 40 + (index < 30 ? 0 : 9000) });
  const plain = paper();
  drawTicks(plain.canvas, timeline, { warned: [], events: [], outages: false }, { first: 0, last: 99 });
  const live = paper();
  drawTicks(live.canvas, timeline, { warned: [], events: [], outages: true }, { first: 0, last: 99 }, true);
  const bands = (drawn: typeof live.drawn) => drawn("fillRect").filter(([, , , width, height]) => width === 2 && height === 100);
  expect([bands(plain.drawn).length, bands(live.drawn).length]).toEqual([0, 2]);
  expect([plain.drawn("lineTo").length, live.drawn("lineTo").length > 5]).toEqual([0, true]);
});

const OFF: ViewOptions = { boxes: false, labels: false, pitch: false, radar: false, overlay: true, fps: 30, curves: false, colorBy: "track", radarAt: { x: 1, y: 1 }, hidden: new Set(), confidence: 0 };
const person = { x: 10, y: 20, width: 30, height: 40, confidence: 0.9, class: "person", track_id: 3 };
const found = frame(0, { tracker: { detections: [person] }, pitch: { lines: [[0, 0, 9, 9]], keypoints: [[5, 5], [6, 6]] } });

test.each([
  ["boxes", "roundRect", 1],
  ["labels", "fillText", 1],
  ["pitch", "arc", 2],
  ["pitch", "lineTo", 2],
] as const)("the switch %s decides about %s", (name, call, times) => {
  const [off, on] = [paper(), paper()];
  drawOverlay(off.context, found, 1, OFF);
  drawOverlay(on.context, found, 1, { ...OFF, [name]: true });
  expect([off.drawn(call).length, on.drawn(call).length]).toEqual([0, times]);
});

test("bones join key points, polygons are filled, labels of zones and classes of the picture are written where nothing else is", () => {
  const { context, drawn, texts } = paper();
  const keypoints = [[15, 25, 0.9], [20, 40, 0.9], [30, 50, 0.01]];
  const results = {
    pose: { detections: [{ ...person, keypoints }], classes: [{ class: "street", confidence: 0.8 }] },
    zones: { polygons: [{ points: [[0, 0], [90, 0], [90, 90]], label: "door" }], points: [{ x: 200, y: 200, label: "ball" }] },
  };
  const skeletons = new Map([["pose", [[0, 1], [1, 2]] as const]]);
  drawOverlay(context, frame(0, results), 1, { ...OFF, pitch: true, labels: true }, { skeletons });
  expect(drawn("lineTo").map(([, x, y]) => [x, y])).toEqual([[0, 0], [90, 0], [90, 90], [15, 25], [20, 40]]);
  expect(drawn("arc")).toHaveLength(3);
  expect(texts()).toEqual(["street 80%", "person #3 90%", "door", "ball"]);
  const places = drawn("roundRect").map(([, x, y, width, height]) => ({ x, y, width, height }) as Rect);
  for (const [at, label] of places.entries()) for (const other of places.slice(at + 1)) expect(overlap(label, other)).toBe(false);
});

test("the map names the present tracks and shows the trail of each", () => {
  const { context, drawn, texts } = paper();
  const walk = [0, 1, 2, 3, 4].map((index) => frame(index, { tracker: { detections: [{ ...person, x: index * 10 }, { ...person, track_id: 4 }] } }));
  drawRadar(context, trailsOf(walk), new Set([3]));
  expect(texts()).toEqual(["3"]);
  expect(drawn("lineTo")).toHaveLength(10);
});

test("a picked detection is drawn even if others of its class stand for it, and labels do not cover each other", () => {
  const many = frame(0, { tracker: { detections: Array.from({ length: 6 }, (_, i) => ({ ...person, x: 10 + i, track_id: i })) }, people: { detections: [person] } });
  const { context, drawn } = paper();
  drawOverlay(context, many, 1, { ...OFF, boxes: true, labels: true }, { picks: { hovered: null, chosen: { plugin: "people", at: 0, trackId: 3, frame: 0 } } });
  expect(drawn("roundRect").filter(([, x, y, width]) => x === 10 && y === 20 && width === 30)).toHaveLength(2);
  const texts = drawn("fillText").map(([, text, x, y]) => ({ text, x: Number(x) - 4, y: Number(y) - 8, width: 48, height: 14.4 }));
  expect(texts[0]?.text).toBe("person #3 90%");
  for (const [at, label] of texts.entries()) for (const other of texts.slice(at + 1)) expect(overlap(label, other)).toBe(false);
});

test("the map stays in its box: its arcs are clipped, and moving it stops at the picture's edges", () => {
  const { context, drawn } = paper();
  drawRadar(context, new Map(), new Set());
  expect(drawn("clip")).toHaveLength(1);
  const view = { x: 0, y: 0, width: 680, height: 400 };
  expect(radarMoved(view, { x: 1, y: 1 }, { x: 50, y: -1e6 })).toEqual({ x: 1, y: 0 });
  expect(radarBox(view, { x: 0, y: 1 })).toMatchObject({ x: 10, y: 400 - 132 - 10 });
});
