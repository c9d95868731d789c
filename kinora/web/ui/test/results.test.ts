import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { keyedRows, valueInWords } from "../src/inspector/resultShape";
import { FramePages } from "../src/player/FramePages";
import { extendTimeline, Timeline } from "../src/player/Timeline";
import { classesInWords, shortNumber } from "../src/results/Cell";
import { chosenRows } from "../src/results/chosenRows";
import { inPipelineOrder } from "../src/results/columnOrder";
import { saveVideo } from "../src/results/exports";
import { clock } from "../src/ui/format";
import { frame } from "./examples";
import { soon } from "./soon";

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
  for (let index = 0; index < 9000; index++) timeline.add(frame(index));
  vi.mocked(fetch).mockImplementation((url) => {
    const after = Number(new URL(url as string, "http://x").searchParams.get("after"));
    const frames = Array.from({ length: 100 }, (_, i) => frame(after + 1 + i));
    return Promise.resolve(Response.json({ frames, next_after: null }));
  });
  const loaded = vi.fn();
  const pages = new FramePages("j", timeline, loaded);
  expect(pages.at(250)).toBeNull();
  expect(pages.at(251)).toBeNull();
  await soon(() => expect(loaded).toHaveBeenCalledTimes(1));
  expect(pages.at(250)?.index).toBe(250);
  expect(fetch).toHaveBeenCalledTimes(1);
  for (let row = 300; row < 9000; row += 100) {
    pages.at(row);
    await soon(() => expect(pages.at(row)).not.toBeNull(), 5);
  }
  expect(pages.at(250)).toBeNull();
});

test("a job's table has the columns that its plugins' results have, in the pipeline's order", () => {
  const timeline = new Timeline();
  timeline.add(frame(0, { quality: { metrics: { brightness: 80.5 } }, ocr: { detections: [{ ...person, text: "EXIT" }] }, scenes: { cut: true } }));
  timeline.add(frame(1, { colors: { colors: [{ hex: "#112233", share: 0.5 }] }, other: { zones: { a: 1 } } }));
  const shown = inPipelineOrder(timeline.columns.all, ["ocr", "quality", "colors"]).map(({ plugin, name, kind }) => `${plugin} ${name} ${kind}`);
  expect(shown).toEqual(["ocr found found", "ocr text texts", "quality brightness number", "colors colors colors", "scenes cut flag", "other zones other"]);
  expect(timeline.columns.all.map((column) => column.at(1))).toEqual([NaN, NaN, NaN, NaN, 1, NaN]);
});

test("classes of the picture, shapes and events have a number in the table, and a metric that is null at first is a number all the same", () => {
  const timeline = new Timeline();
  timeline.add(frame(0, { animals: { classes: [] }, zones: { metrics: { door: null }, polygons: [], events: [] } }));
  timeline.add(frame(1, { animals: { classes: [{ class: "dog", confidence: 0.25 }, { class: "cat", confidence: 0.5 }] }, zones: { metrics: { door: 2 }, polygons: [{ points: [[0, 0], [1, 1]], label: "door" }], events: [{ kind: "entered" }] } }));
  const columns = timeline.columns.all;
  expect(columns.map(({ name, kind }) => `${name} ${kind}`)).toEqual(["classes classes", "door number", "polygons listed", "events listed"]);
  expect(columns.map((column) => [column.at(0), column.at(1)])).toEqual([[NaN, 0.5], [NaN, 2], [0, 1], [0, 1]]);
  expect(chosenRows(timeline, "cat", null).rows).toEqual(Uint32Array.of(1));
  expect(timeline.kinds.all).toEqual([["zones", []], ["animals", ["cat", "dog"]]]);
});

test("columns without room are counted", () => {
  const timeline = new Timeline();
  timeline.add(frame(0, { many: { metrics: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`m${i}`, i])) } }));
  expect([timeline.columns.all.length, timeline.columns.leftOut]).toEqual([96, 4]);
});

function measured(): Timeline {
  const timeline = new Timeline();
  [3, -1, 20, null, 0.5].forEach((light, index) =>
    timeline.add(frame(index, { people: { detections: index === 2 ? [person, { ...person, text: "Exit 4", track_id: 7 }] : [] }, ...(light !== null && { quality: { metrics: { light } } }) })),
  );
  return timeline;
}

test.each([
  ["PERS", [2]],
  ["#7 exit", [2]],
  ["light<1", [1, 4]],
  ["quality.light>=0.5 light<4", [0, 4]],
  ["people=0", [0, 1, 3, 4]],
  ["dog", []],
])("the filter %s leaves the rows %j", (filter, rows) => {
  expect([...(chosenRows(measured(), filter, null).rows ?? [])]).toEqual(rows);
});

test("a condition on a column that is not there is said to be so", () => {
  expect(chosenRows(measured(), "dark<4", null)).toEqual({ rows: null, fault: "No column is called dark." });
});

test("rows are sorted by a column both ways, and those without a number come last", () => {
  const by = (descending: boolean) => [...(chosenRows(measured(), "", { plugin: "quality", name: "light", descending }).rows ?? [])];
  expect([by(true), by(false)]).toEqual([[2, 0, 4, 1, 3], [1, 4, 0, 2, 3]]);
});

test("a sorted view of many pages fetches only a few of them at once, and comes to an end", async () => {
  const timeline = new Timeline();
  for (let index = 0; index < 5000; index++) timeline.add(frame(index));
  let open = 0;
  let most = 0;
  vi.mocked(fetch).mockImplementation(async (url) => {
    most = Math.max(most, (open += 1));
    await new Promise((next) => setTimeout(next));
    open -= 1;
    const after = Number(new URL(url as string, "http://x").searchParams.get("after"));
    return Response.json({ frames: Array.from({ length: 100 }, (_, i) => frame(after + 1 + i)), next_after: null });
  });
  const look = () => Array.from({ length: 50 }, (_, i) => pages.at(100 * i)).filter((found) => found === null).length;
  const pages: FramePages = new FramePages("j", timeline, () => look());
  look();
  await soon(() => expect(look()).toBe(0));
  expect(fetch).toHaveBeenCalledTimes(50);
  expect(most).toBeLessThanOrEqual(6);
});

test("classes are counted in words, and numbers are short", () => {
  expect(classesInWords({ detections: [person, person] })).toBe("person");
  expect(classesInWords({ detections: [person, { ...person, class: "dog" }, person] })).toBe("2 person, 1 dog");
  expect([1234, 0.12345, 12.345, 123.45].map(shortNumber)).toEqual(["1,234", "0.123", "12.35", "123.5"]);
});

test("a video is downloaded by the browser itself once it is made, its progress is told meanwhile, and it can be cancelled", async () => {
  vi.useFakeTimers();
  const clicked = vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(() => undefined);
  let made: () => void = () => undefined;
  vi.mocked(fetch).mockImplementation((_url, { method, signal } = {}) =>
    method === "HEAD"
      ? Promise.resolve(new Response(null, { headers: { "Kinora-Progress": "37" } }))
      : new Promise((answer, refuse) => {
          made = () => answer(new Response("x", { status: 206 }));
          signal?.addEventListener("abort", () => refuse(new DOMException("gone", "AbortError")));
        }),
  );
  const words: string[] = [];
  const save = (signal: AbortSignal) => saveVideo({ jobId: "j", onProgress: (word) => words.push(word), signal });
  const saved = save(new AbortController().signal);
  await vi.advanceTimersByTimeAsync(1000);
  expect(words).toEqual(["being made", "37% made"]);
  expect(clicked).not.toHaveBeenCalled();
  made();
  await saved;
  expect(clicked).toHaveBeenCalledTimes(1);
  const abort = new AbortController();
  const cancelled = save(abort.signal);
  abort.abort();
  await expect(cancelled).rejects.toThrow("gone");
  await vi.advanceTimersByTimeAsync(5000);
  expect(clicked).toHaveBeenCalledTimes(1);
  vi.useRealTimers();
});

test("a plugin's result by name of objects becomes rows that begin with the name", () => {
  expect(keyedRows({ gate: { in: 3, out: 1 }, door: { in: 0, out: 0 } })).toEqual([{ name: "gate", in: 3, out: 1 }, { name: "door", in: 0, out: 0 }]);
  expect([keyedRows({}), keyedRows({ gate: 3 }), keyedRows({ gate: { in: [1] } }), keyedRows({ gate: [1] }), keyedRows({ gate: { in: {} }, rest: 1 })]).toEqual([null, null, null, null, null]);
  const zone = { entered: { person: 3, dog: 1 }, left: {}, dwell: { person: { count: 3, mean_ms: 812.5 } } };
  const [row] = keyedRows({ door: zone }) ?? [];
  expect(Object.values(row ?? {}).map(valueInWords)).toEqual(["door", "person 3, dog 1", "–", "person (count 3, mean_ms 812.5)"]);
});

test("a time's seconds never come to 60", () => {
  expect([1_799_960, 59_949, 59_950, 4200, 3_723_400].map(clock)).toEqual(["30:00.0", "0:59.9", "1:00.0", "0:04.2", "1:02:03.4"]);
});
