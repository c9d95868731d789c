import { expect, test, vi } from "vitest";
import { changedOptions, parseOption, rangeInWords, withOption } from "../src/api/optionSchema";
import { draftOf, firstDraft, NO_TURN, requestOf } from "../src/start/draft";
import { keepDraft, keptDraft } from "../src/start/draftStore";
import { mediaEntries } from "../src/start/mediaEntries";
import { Sending } from "../src/start/Sending";
import { keepFile } from "../src/start/sentFiles";
import { moved } from "../src/start/reorder";
import { job, JOB_ID } from "./examples";
import { soon } from "./soon";

test("a draft becomes a request, or a sentence about what is missing", () => {
  const draft = firstDraft("cpu");
  expect(requestOf({ ...draft, stride: "3" })).toMatchObject({ source: "demo:", device_requested: "cpu", options: { stride: 3 } });
  expect(requestOf({ ...draft, kind: "media" })).toMatch(/Choose a file/);
  expect(requestOf({ ...draft, kind: "camera" })).toBe("Choose a camera.");
  expect(requestOf({ ...draft, kind: "camera", camera: "camera:front" })).toMatchObject({ source: "camera:front" });
  expect(requestOf({ ...draft, plugins: [] })).toMatch(/at least one plugin/);
  expect(requestOf({ ...draft, maxFrames: "few" })).toMatch(/whole numbers/);
});

test("what an agent must have left is asked for only where it is typed, and kept for another run", () => {
  const draft = firstDraft("cpu");
  expect(requestOf(draft)).toMatchObject({ options: {} });
  const asked = { cpus: "2", gpus: "0.5", resources: "camera_card=1, licence = 2" };
  const options = { cpus: 2, gpus: 0.5, resources: { camera_card: 1, licence: 2 } };
  expect(requestOf({ ...draft, ...asked })).toMatchObject({ options });
  for (const wrong of [{ cpus: "many" }, { gpus: "-1" }, { resources: "licence" }, { resources: "=1" }]) expect(requestOf({ ...draft, ...wrong })).toMatch(/Where it runs/);
  expect(draftOf(job({ options }))).toMatchObject({ cpus: "2", gpus: "0.5", resources: "camera_card=1, licence=2" });
  expect(draftOf(job({ options: { cpus: 1, gpus: 0, resources: {} } }))).toMatchObject({ cpus: "", gpus: "", resources: "" });
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
  for (const source of ["camera:front", "webcam:0", "push:"]) expect(draftOf(job({ source }))).toMatchObject({ kind: "camera", camera: source, path: "" });
});

test("a job on an uploaded file asks for that file again, unless this page still has it", () => {
  const sent = job({ source: "mine.mp4", uploaded: true });
  expect(draftOf(sent)).toMatchObject({ kind: "upload", files: [], fileName: "mine.mp4", path: "" });
  const file = new File(["video"], "mine.mp4");
  keepFile(JOB_ID, file);
  expect(draftOf(sent).files).toEqual([file]);
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

test("a plugin's turns are sent, kept, and come back when the job is run again", () => {
  const draft = firstDraft("cpu");
  const plugins = [{ name: "motion", options: {} }, { name: "ocr", options: {}, every: 10, side: true, replicas: 2 }];
  expect(requestOf({ ...draft, plugins })).toMatchObject({ plugins });
  keepDraft({ ...draft, plugins });
  expect(keptDraft().plugins).toEqual(plugins);
  expect(requestOf({ ...draft, plugins: [{ name: "ocr", options: {}, replicas: NO_TURN }] })).toBe("Under the options of ocr, type a whole number of 1 or more.");
  expect(requestOf({ ...draft, plugins: [{ name: "ocr", options: {}, every: NO_TURN }] })).toBe("Under the options of ocr, type a whole number of 1 or more.");
  const ran = job();
  const [[name, stage] = ["", undefined]] = Object.entries(ran.plugins);
  if (!stage) throw new Error("the example has a plugin");
  expect(draftOf({ ...ran, plugins: { [name]: { ...stage, every: 10, side: true } } }).plugins).toEqual([{ name, options: {}, every: 10, side: true }]);
  expect(draftOf(ran).plugins[0]).toEqual({ name, options: {} });
});

test("moving changes the order and nothing else", () => {
  expect(moved(["a", "b", "c"], 0, 2)).toEqual(["b", "c", "a"]);
  expect(moved(["a", "b", "c"], 2, 3)).toEqual(["a", "b", "c"]);
});

test("a time-out becomes milliseconds, and comes back when the job is run again", () => {
  const draft = firstDraft("cpu");
  expect(requestOf({ ...draft, timeout: "1.5" })).toMatchObject({ options: { plugin_timeout_ms: 1500 } });
  expect(requestOf({ ...draft, timeout: "0" })).toMatch(/above 0/);
  expect(draftOf(job({ options: { plugin_timeout_ms: 12_000 } })).timeout).toBe("12");
  const asked = { max_frames: 9, stride: 2, policy: "latest", plugin_timeout_ms: 1500, prepare_timeout_ms: 60_000 };
  expect(requestOf(draftOf(job({ options: asked })))).toMatchObject({ options: asked });
});

test("the form's contents are kept, but for its files, of which the names are", () => {
  localStorage.clear();
  const draft = { ...firstDraft("auto"), url: "http://x", plugins: [{ name: "people", options: { votes: 4 } }] };
  keepDraft({ ...draft, files: [new File(["a"], "a.mp4")] });
  expect(keptDraft()).toMatchObject({ ...draft, files: [{ name: "a.mp4" }], fileName: "a.mp4" });
  for (const odd of ['{"plugins": [1]}', '{"url": 3}', '{"nonsense": ""}', "[", "3", "null"]) {
    localStorage.setItem("kinora.draft", odd);
    expect(keptDraft().plugins).toEqual(firstDraft("auto").plugins);
  }
});

test("a folder with several images is one source, and its images are found by a search", () => {
  const file = (name: string) => ({ name, bytes: 10 });
  const files = ["walk/0001.png", "walk/0002.png", "clips/a.mp4", "clips/one.jpg", "top.png"].map(file);
  const names = (search: string) => mediaEntries(files, search).map(({ name, images }) => (images === null ? name : `${name}: ${images}`));
  expect(names("")).toEqual(["walk: 2", "clips/a.mp4", "clips/one.jpg", "top.png"]);
  expect(names("WALK 2")).toEqual(["walk/0002.png"]);
});

test("the words for an option say its kind, its range and its default", () => {
  expect(rangeInWords({ type: "integer", minimum: 1, maximum: 9, default: 3 })).toBe("A whole number from 1 to 9; 3 by default.");
  expect(rangeInWords({ type: "number", minimum: 0, maximum: 1, default: 0.02, unit: "of the picture" })).toBe("A number from 0 to 1 of the picture; 0.02 by default.");
  expect(rangeInWords({ type: "boolean", default: false })).toBe("Yes or no; no by default.");
  expect(rangeInWords({ enum: ["a", "b"] })).toBe("One of a, b.");
  expect(rangeInWords({ type: "array", items: { type: "string" }, default: [] })).toBe("Names, separated by commas.");
});

test("files are sent one after the other, each as a job, until one is refused or the sending is cancelled", async () => {
  const sent: { name: string; answer: (status: number, body: object) => void; abort: () => void }[] = [];
  vi.stubGlobal("XMLHttpRequest", class {
    upload = {};
    status = 0;
    responseText = "";
    statusText = "";
    onload = () => undefined;
    onabort = () => undefined;
    onloadend = () => undefined;
    open = () => undefined;
    abort() {
      this.onabort();
    }
    send(form: FormData) {
      const answer = (status: number, body: object) => {
        Object.assign(this, { status, responseText: JSON.stringify(body) });
        this.onload();
        this.onloadend();
      };
      sent.push({ name: (form.get("file") as File).name, answer, abort: this.onabort });
    }
  });
  const request = { source: "a", plugins: ["motion"] };
  const files = ["a.mp4", "b.mp4", "c.mp4"].map((name) => new File(["x"], name));
  const started: string[] = [];
  const sending = new Sending();
  const refused = sending.start(request, files, (id) => started.push(id));
  await soon(() => expect(sent).toHaveLength(1));
  expect(sending.get()).toMatchObject({ name: "a.mp4", number: 1, count: 3 });
  sent[0]?.answer(202, { job_id: "one" });
  await soon(() => expect(sent).toHaveLength(2));
  sent[1]?.answer(413, { detail: "It is too large." });
  await expect(refused).rejects.toThrow("It is too large.");
  expect(started).toEqual(["one"]);
  expect(sending.get()).toBeNull();
  const cancelled = sending.start(request, files, (id) => started.push(id));
  await soon(() => expect(sent).toHaveLength(3));
  sending.cancel();
  await cancelled;
  expect(started).toEqual(["one"]);
  vi.unstubAllGlobals();
});
