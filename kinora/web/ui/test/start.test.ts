import { expect, test } from "vitest";
import { changedOptions, parseOption, withOption } from "../src/api/optionSchema";
import { draftOf, firstDraft, requestOf } from "../src/start/draft";
import { keepFile } from "../src/start/sentFiles";
import { moved } from "../src/start/reorder";
import { job, JOB_ID } from "./examples";

test("a draft becomes a request, or a sentence about what is missing", () => {
  const draft = firstDraft("cpu");
  expect(requestOf({ ...draft, stride: "3" })).toMatchObject({ source: "demo:", device_requested: "cpu", options: { stride: 3 } });
  expect(requestOf({ ...draft, kind: "media" })).toMatch(/Choose a file/);
  expect(requestOf({ ...draft, plugins: [] })).toMatch(/at least one plugin/);
  expect(requestOf({ ...draft, maxFrames: "few" })).toMatch(/whole numbers/);
});

test("a job that ran becomes a draft with the options that its plugins ran with", () => {
  const ran = job();
  const plugins = Object.fromEntries(Object.entries(ran.plugins).map(([name, plugin]) => [name, { ...plugin, options: { votes: 5 } }]));
  expect(draftOf({ ...ran, plugins, options: { stride: 2, max_frames: 50 } })).toMatchObject({
    kind: "media",
    path: "people.mp4",
    stride: "2",
    maxFrames: "50",
    plugins: [{ name: "people", options: { votes: 5 } }],
  });
  expect(draftOf(job({ source: "demo:" })).kind).toBe("demo");
});

test("a job on an uploaded file asks for that file again, unless this page still has it", () => {
  const sent = job({ source: "mine.mp4", uploaded: true });
  expect(draftOf(sent)).toMatchObject({ kind: "upload", file: null, fileName: "mine.mp4", path: "" });
  const file = new File(["video"], "mine.mp4");
  keepFile(JOB_ID, file);
  expect(draftOf(sent).file).toBe(file);
});

test("options are parsed as their schema says", () => {
  const integer = { type: "integer", minimum: 1, maximum: 9 };
  expect(parseOption(integer, "4")).toEqual({ value: 4 });
  expect(parseOption(integer, "4.5").error).toMatch(/whole number/);
  expect(parseOption(integer, "10").error).toMatch(/from 1 to 9/);
  expect(parseOption(integer, " ")).toEqual({});
  expect(parseOption({ type: "array", items: { type: "string" } }, "a, b,")).toEqual({ value: ["a", "b"] });
  expect(parseOption({ type: "object" }, "{")).toEqual({ error: "must be JSON" });
  expect(withOption({ a: 1, b: 2 }, "a", undefined)).toEqual({ b: 2 });
});

test("options with the plugin's default are not counted as set", () => {
  const schema = { properties: { votes: { default: 3 }, classes: { default: [] }, mode: {} } };
  expect(changedOptions(schema, { votes: 3, classes: [] })).toEqual([]);
  expect(changedOptions(schema, { votes: 4, classes: [], mode: "fast" })).toEqual(["votes", "mode"]);
  expect(changedOptions(null, { any: 1 })).toEqual(["any"]);
});

test("moving changes the order and nothing else", () => {
  expect(moved(["a", "b", "c"], 0, 2)).toEqual(["b", "c", "a"]);
  expect(moved(["a", "b", "c"], 2, 3)).toEqual(["a", "b", "c"]);
});
