import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FramePages } from "../src/player/FramePages";
import { extendTimeline, Timeline } from "../src/player/Timeline";
import { resultInWords } from "../src/results/ResultTable";
import { frame } from "./examples";

const person = { x: 1, y: 2, width: 3, height: 4, confidence: 0.9, class: "person" };

test("a timeline finds the row of an index, even if frames were left out", () => {
  const timeline = new Timeline();
  for (let index = 0; index < 9000; index += 3) timeline.add(frame(index));
  expect(timeline.length).toBe(3000);
  expect([timeline.rowOf(0), timeline.rowOf(6), timeline.rowOf(7), timeline.rowOf(8997), timeline.rowOf(10_000)]).toEqual([0, 2, 2, 2999, 2999]);
  expect(new Timeline().rowOf(5)).toBe(-1);
});

test("it keeps the numbers of detections and the beginnings of scenes", () => {
  const timeline = new Timeline();
  timeline.add(frame(0, { people: { detections: [person, person] } }));
  timeline.add(frame(1, { scenes: { cut: true } }));
  expect([timeline.found(0), timeline.found(1), timeline.isCut(0), timeline.isCut(1)]).toEqual([2, 0, false, true]);
});

test("a frame that arrives twice is counted once", () => {
  const timeline = new Timeline();
  [0, 1, 1, 0, 2].forEach((index) => timeline.add(frame(index)));
  expect(timeline.length).toBe(3);
});

beforeEach(() => void vi.stubGlobal("fetch", vi.fn<typeof fetch>()));
afterEach(() => void vi.unstubAllGlobals());

/** A stream of bytes that arrives in pieces. */
function inPieces(bytes: Uint8Array<ArrayBuffer>, size: number): ReadableStream {
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
      controller.close();
    },
  });
}

test("it is extended by lines that may arrive cut anywhere", async () => {
  const text = [0, 1, 2].map((index) => `${JSON.stringify(frame(index))}\n`).join("");
  const bytes = new TextEncoder().encode(text);
  vi.mocked(fetch).mockImplementation(() => Promise.resolve(new Response(inPieces(bytes, 7))));
  const timeline = new Timeline();
  await extendTimeline(timeline, "j", new AbortController().signal, vi.fn());
  expect(timeline.length).toBe(3);
  await extendTimeline(timeline, "j", new AbortController().signal, vi.fn());
  expect(vi.mocked(fetch).mock.calls[1]?.[0]).toBe("/v1/jobs/j/frames?after=2");
});

test("frames are fetched a page at a time, once, and old pages are dropped", async () => {
  const timeline = new Timeline();
  for (let index = 0; index < 5000; index++) timeline.add(frame(index));
  vi.mocked(fetch).mockImplementation((url) => {
    const after = Number(new URL(url as string, "http://x").searchParams.get("after"));
    const frames = Array.from({ length: 100 }, (_, i) => frame(after + 1 + i));
    return Promise.resolve(Response.json({ frames, next_after: null }));
  });
  const loaded = vi.fn();
  const pages = new FramePages("j", timeline, loaded);
  expect(pages.at(250)).toBeNull();
  expect(pages.at(251)).toBeNull();
  await vi.waitFor(() => expect(loaded).toHaveBeenCalledTimes(1));
  expect(pages.at(250)?.index).toBe(250);
  expect(fetch).toHaveBeenCalledTimes(1);
  for (let row = 300; row < 4000; row += 100) {
    pages.at(row);
    await vi.waitFor(() => expect(pages.at(row)).not.toBeNull());
  }
  expect(pages.at(250)).toBeNull();
});

test("results are given in words", () => {
  expect(resultInWords(undefined)).toBe("–");
  expect(resultInWords({ detections: [person], metrics: { tracks: 1, change: 0.1234 } })).toBe("1 found, tracks 1, change 0.12");
  expect(resultInWords({ cut: true })).toBe("cut");
  expect(resultInWords({ other: 1 })).toBe('{"other":1}');
});
