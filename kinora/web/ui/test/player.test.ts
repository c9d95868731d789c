import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { nextMoment } from "../src/player/Moments";
import { parsePlace } from "../src/player/parsePlace";
import { PictureLoader, RETRY_MS, type Picture } from "../src/player/PictureLoader";
import { Player } from "../src/player/Player";
import { Timeline } from "../src/player/Timeline";
import { extentOf, following, moved, zoomed } from "../src/player/Window";
import { RealtimeStore } from "../src/realtime/RealtimeStore";
import { INITIAL_STATE } from "../src/realtime/state";
import { onKeys } from "../src/ui/keys";
import { frameOf, jobLink, parseRoute } from "../src/ui/useRoute";
import { titleOf } from "../src/watch/useJobTitle";
import { frame, job, JOB_ID } from "./examples";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** An ended job of ten frames, one every 40 ms. */
function tenFrames(): Player {
  const store = new RealtimeStore();
  store.dispatch({ type: "watch", jobId: JOB_ID });
  store.dispatch({ type: "job", job: job({ status: "done" }) });
  const player = new Player(JOB_ID, store);
  for (let index = 0; index < 10; index++) player.timeline.add(frame(index));
  return player;
}

test("a player plays faster, backwards and over again", () => {
  const player = tenFrames();
  player.seek(0);
  player.setSpeed(2);
  player.toggle();
  vi.advanceTimersByTime(100);
  expect(player.index).toBeGreaterThanOrEqual(3);
  expect(player.index).toBeLessThanOrEqual(5);
  vi.advanceTimersByTime(1000);
  expect(player.getState()).toMatchObject({ index: 9, playing: false });
  player.shuttle(-1);
  player.shuttle(-1);
  expect(player.getState()).toMatchObject({ speed: -2, playing: true });
  vi.advanceTimersByTime(1000);
  expect(player.getState()).toMatchObject({ index: 0, playing: false });
  player.setSpeed(1);
  player.setLoops(true);
  player.toggle();
  vi.advanceTimersByTime(2000);
  expect(player.getState().playing).toBe(true);
  player.freeze();
  expect(player.getState().playing).toBe(false);
});

test("one goes to a frame or a time, and to the nearest one if that was left out", () => {
  const player = tenFrames();
  player.goTo({ ms: 130 });
  expect(player.index).toBe(3);
  player.goTo({ frame: 99 });
  expect(player.index).toBe(9);
});

test("while the frames of an ended job are loaded, one goes to any of them, and beyond the last to the last", async () => {
  const player = tenFrames();
  player.seek(40);
  expect(player.index).toBe(40);
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(Array.from({ length: 30 }, (_, row) => `${JSON.stringify(frame(10 + row))}\n`).join(""))));
  player.start();
  await vi.waitFor(() => expect(player.isComplete).toBe(true), 5000);
  expect([player.index, player.row]).toEqual([39, 39]);
  player.stop();
  vi.unstubAllGlobals();
});

test("a player follows a job again that was interrupted and resumed", async () => {
  const stored = [0, 1];
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(stored.map((index) => `${JSON.stringify(frame(index))}\n`).join(""))));
  const store = new RealtimeStore();
  store.dispatch({ type: "watch", jobId: JOB_ID });
  store.dispatch({ type: "job", job: job({ status: "interrupted" }) });
  const player = new Player(JOB_ID, store);
  player.start();
  await vi.waitFor(() => expect(player.isComplete).toBe(true), 5000);
  stored.splice(0, 2, 2, 3);
  store.dispatch({ type: "job", job: job({ status: "running" }) });
  await vi.waitFor(() => expect(player.timeline.length).toBe(4), 5000);
  expect([player.isComplete, player.isLive]).toEqual([false, true]);
  player.stop();
  vi.unstubAllGlobals();
});

test("the pictures of a live source are not asked for, and what is missing is said once", async () => {
  const player = tenFrames();
  expect(player.keepsPictures).toBe(true);
  player.timeline.add({ ...frame(10), received_at: "2026-11-23T08:00:00.000Z" });
  expect(player.keepsPictures).toBe(false);
  const fetched = vi.fn();
  vi.stubGlobal("fetch", fetched);
  const told: Picture[] = [];
  const loader = new PictureLoader(JOB_ID, (picture) => told.push(picture));
  for (const index of [3, 3, 4]) loader.miss(index, "not kept");
  await vi.advanceTimersByTimeAsync(10);
  expect(told).toEqual([3, 4].map((index) => ({ index, bitmap: null, fault: "not kept" })));
  expect(fetched).not.toHaveBeenCalled();
  vi.unstubAllGlobals();
});

test("a picture is asked for again that the server could not give for a while, but not one that there is not", async () => {
  const answers = [() => Promise.reject(new Error("away")), () => Promise.resolve(new Response("{}", { status: 503 })), () => Promise.resolve(new Response("picture")), () => Promise.resolve(new Response("{}", { status: 404 }))];
  const fetched = vi.fn(() => answers[fetched.mock.calls.length - 1]?.() ?? Promise.reject(new Error("It was asked for once too often.")));
  vi.stubGlobal("fetch", fetched);
  const bitmap = { close: () => undefined };
  vi.stubGlobal("createImageBitmap", () => Promise.resolve(bitmap));
  const told: Picture[] = [];
  const loader = new PictureLoader(JOB_ID, (picture) => told.push(picture));
  const wantFor = async (index: number, ms: number) => {
    for (let waited = 0; waited < ms; waited += 500) {
      loader.want(index);
      await vi.advanceTimersByTimeAsync(500);
    }
  };
  await wantFor(3, 3 * RETRY_MS);
  expect(told.map((picture) => picture.bitmap)).toEqual([null, null, bitmap]);
  await wantFor(4, 3 * RETRY_MS);
  expect([told.length, fetched.mock.calls.length]).toEqual([4, 4]);
  loader.stop();
  vi.unstubAllGlobals();
});

test.each([
  ["120", { frame: 120 }],
  ["#7", { frame: 7 }],
  ["1:23.4", { ms: 83_400 }],
  ["1:02:03", { ms: 3_723_000 }],
  ["83 s", { ms: 83_000 }],
  ["soon", null],
  ["", null],
])("the place %s is read as %j", (text, place) => {
  expect(parsePlace(text)).toEqual(place);
});

test("the next detection is where something comes or goes; warnings and scenes are found too", () => {
  const timeline = new Timeline();
  const found = { people: { detections: [{ x: 0, y: 0, width: 1, height: 1 }] } };
  for (let index = 0; index < 10; index++) timeline.add(frame(index, { ...(index >= 3 && index < 6 && found), scenes: { cut: index === 8 } }));
  expect(nextMoment(timeline, "detection", 0, 1, [])).toBe(3);
  expect(nextMoment(timeline, "detection", 3, 1, [])).toBeNull();
  expect(nextMoment(timeline, "detection", 9, -1, [])).toBe(3);
  expect(nextMoment(timeline, "warning", 4, -1, [2, 7])).toBe(2);
  expect(nextMoment(timeline, "event", 0, 1, [])).toBe(8);
  expect(nextMoment(timeline, "event", 0, 1, [4, 9])).toBe(4);
});

test("while a job runs the scrubber has room for all its frames, so that ticks stay where they are", () => {
  expect(extentOf(10, 400, false)).toBe(400);
  expect(extentOf(390, 400, true)).toBe(390);
  expect([extentOf(10, null, false), extentOf(250, null, false), extentOf(251, null, false)]).toEqual([250, 250, 500]);
});

test("the timeline is enlarged around a row, moved, and follows the current frame", () => {
  const near = zoomed(null, 100, 30_000, 60_000);
  expect(near).toEqual({ first: 29_700, last: 30_299 });
  if (!near) throw new Error("It is enlarged.");
  expect(zoomed(near, 0.001, 30_000, 60_000)).toBeNull();
  expect(zoomed(near, 1e9, 29_700, 60_000)).toEqual({ first: 29_700, last: 29_719 });
  expect(moved(near, 1e6, 60_000)).toEqual({ first: 59_400, last: 59_999 });
  expect(following(near, 30_100, 60_000)).toBe(near);
  expect(following(near, 40_000, 60_000)).toEqual({ first: 39_940, last: 40_539 });
});

test("a link names a job and a frame", () => {
  expect(parseRoute("#/jobs/abc?frame=120")).toEqual({ view: "work", jobId: "abc" });
  expect([frameOf("#/jobs/abc?frame=120"), frameOf("#/jobs/abc"), frameOf("#/jobs/abc?frame=x")]).toEqual([120, null, null]);
  expect([jobLink("abc"), jobLink("abc", 0)]).toEqual(["#/jobs/abc", "#/jobs/abc?frame=0"]);
});

test("the tab's title says state and per cent", () => {
  const at = (change: Parameters<typeof job>[0], progress = 42) => titleOf({ ...INITIAL_STATE, jobId: JOB_ID, job: job(change), progress });
  expect(at({ source: "a/b/people.mp4" }, 42.9)).toBe("42% · people.mp4 · Kinora");
  expect(at({ status: "paused", source: "http://camera/live?x=/y" })).toBe("42% · paused · live · Kinora");
  expect(at({ status: "failed" })).toBe("failed · people.mp4 · Kinora");
  expect(at({ status: "queued" })).toBe("queued · people.mp4 · Kinora");
  expect(titleOf(INITIAL_STATE)).toBe("Kinora");
});

test("keys work on the page, but not where one types, presses or scrolls, and not once they are switched off", () => {
  const pressed: string[] = [];
  const leave = onKeys({ l: () => pressed.push("l"), " ": () => pressed.push("space"), ArrowLeft: () => pressed.push("left"), "Shift+d": () => pressed.push("D") });
  document.body.innerHTML = '<input><button></button><div role="region"></div>';
  const press = (selector: string, key: string, more: KeyboardEventInit = {}) =>
    document.querySelector(selector)?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
  press("body", " ");
  press("button", "L");
  press("body", "D", { shiftKey: true });
  expect(pressed).toEqual(["space", "l", "D"]);
  press("input", "l");
  press("button", " ");
  press("[role=region]", "ArrowLeft");
  press("body", "l", { ctrlKey: true });
  expect(pressed).toHaveLength(3);
  localStorage.setItem("kinora.keys", "false");
  press("body", "l");
  expect(pressed).toHaveLength(3);
  leave();
});
