import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { FramePayload } from "../../src/api/generated";
import { frameOf } from "../../src/realtime/frameOf";
import { RealtimeStore } from "../../src/realtime/RealtimeStore";
import { TimingHistory } from "../../src/realtime/TimingHistory";
import { framePayload, JOB_ID, message } from "../examples";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watchingStore(): RealtimeStore {
  const store = new RealtimeStore();
  store.dispatch({ type: "watch", jobId: JOB_ID });
  return store;
}

test("listeners are called once for a thousand messages between two animation frames", () => {
  const store = watchingStore();
  const listener = vi.fn();
  store.subscribe(listener);
  for (let index = 0; index < 1000; index++) {
    store.dispatch({ type: "message", message: message("frame", framePayload({ index }), `a-${index}`) });
  }
  expect(listener).not.toHaveBeenCalled();
  vi.advanceTimersByTime(20);
  expect(listener).toHaveBeenCalledTimes(1);
  expect(store.getState().currentFrame?.index).toBe(999);
});

test("painters are called in each animation frame and readers a few times a second, who also get the last state", () => {
  const store = watchingStore();
  const [reader, painter] = [vi.fn(), vi.fn()];
  store.subscribe(reader);
  store.subscribeToFrames(painter);
  for (let index = 0; index < 60; index++) {
    store.dispatch({ type: "message", message: message("frame", framePayload({ index }), `a-${index}`) });
    vi.advanceTimersByTime(16);
  }
  expect(painter.mock.calls.length).toBeGreaterThan(50);
  expect(reader.mock.calls.length).toBeLessThan(12);
  vi.advanceTimersByTime(200);
  expect(store.getState().currentFrame?.index).toBe(59);
});

test("an hour of messages leaves no more in memory than a minute", () => {
  const store = watchingStore();
  for (let index = 0; index < 90_000; index++) {
    store.dispatch({ type: "message", message: message("frame", framePayload({ index }), `a-${index}`) });
  }
  expect(store.frames.get(0)).toBeNull();
  expect(store.frames.get(89_999)).not.toBeNull();
  expect(store.timings.get("people")?.length).toBe(120);
});

test("a picture waits for its frame's results, and only the newest pictures are kept", () => {
  const store = watchingStore();
  const jpeg = new Blob(["jpeg"]);
  for (let index = 0; index < 1000; index++) store.addPicture({ jobId: JOB_ID, index, jpeg });
  store.addPicture({ jobId: "another", index: 998, jpeg });
  const now = performance.now();
  expect([store.pictures.newest(now, 990)?.index, store.pictures.newest(now, 100)]).toEqual([990, null]);
  expect(store.pictures.newest(now + 5000, 990)).toBeNull();
});

test("the newest frame has the results of all plugins that keep up", () => {
  const store = watchingStore();
  const say = (plugin: string, index: number) => store.dispatch({ type: "message", message: message("frame", framePayload({ plugin, index })) });
  [1, 2, 3, 4].forEach((index) => say("motion", index));
  [1, 2].forEach((index) => say("people", index));
  expect(store.frames.newest(performance.now(), Infinity)?.index).toBe(2);
  vi.advanceTimersByTime(5000);
  say("motion", 5);
  expect(store.frames.newest(performance.now(), Infinity)?.index).toBe(5);
  expect(store.frames.newest(performance.now(), 3)?.index).toBe(3);
});

test("nobody waits for a plugin at the side, or for one that takes every Nth frame", () => {
  const store = watchingStore();
  const say = (index: number, change: Partial<FramePayload>) => store.dispatch({ type: "message", message: message("frame", framePayload({ index, ...change })) });
  say(0, { plugin: "ocr", side: true });
  for (let index = 0; index < 9; index++) say(index, { plugin: "motion" });
  say(0, { plugin: "faces", every: 20 });
  expect(store.newestFrame()?.index).toBe(8);
  expect(store.frames.get(0)?.results).toEqual({ motion: { detections: [] }, faces: { detections: [] } });
});

test("a late result is merged into its frame, which stays the same object until there is another", () => {
  const store = watchingStore();
  const late = (index: number, plugin: string) => {
    store.dispatch({ type: "message", message: message("frame", framePayload({ index, plugin, side: true, data: { of: index } })) });
  };
  const stored = { ...frameOf(framePayload({ index: 7 }), { motion: {} }) };
  expect(store.sparse.completed(stored)).toBe(stored);
  late(7, "ocr");
  const once = store.sparse.completed(stored);
  expect(once.results).toEqual({ motion: {}, ocr: { of: 7 } });
  late(9, "ocr");
  expect(store.sparse.completed(stored)).toBe(once);
  late(7, "faces");
  expect(store.sparse.completed(stored).results).toEqual({ motion: {}, ocr: { of: 7 }, faces: { of: 7 } });
  for (let index = 10; index < 3000; index++) late(index, "ocr");
  expect(store.sparse.completed(stored)).toBe(stored);
  store.dispatch({ type: "watch", jobId: null });
  expect(store.sparse.completed({ ...stored, index: 2999 }).results).toEqual({ motion: {} });
});

test("on the live picture the newest result before it stands for a plugin that has none on the frame", () => {
  const { sparse } = watchingStore();
  const at = (index: number, results = {}) => sparse.held({ ...frameOf(framePayload({ index }), results) })?.results ?? null;
  for (const index of [0, 10, 20]) sparse.add(framePayload({ index, plugin: "faces", every: 10, data: { of: index } }));
  sparse.add(framePayload({ index: 4, plugin: "ocr", side: true, data: { of: 4 } }));
  sparse.add(framePayload({ index: 5, plugin: "motion" }));
  expect(at(0)).toBeNull();
  expect(at(3)).toEqual({ faces: { of: 0 } });
  expect(at(14)).toEqual({ faces: { of: 10 }, ocr: { of: 4 } });
  expect(at(20, { faces: {} })).toEqual({ ocr: { of: 4 } });
});

test("the times of the last 120 frames are kept, and give the percentiles", () => {
  const history = new TimingHistory();
  for (let i = 1; i <= 220; i++) history.add(i, i, 0);
  expect(history.length).toBe(120);
  expect([history.at(0).index, history.at(119).index]).toEqual([101, 220]);
  expect(history.figures("runMs")).toEqual({ mean: 160.5, p50: 160, p95: 214 });
});
