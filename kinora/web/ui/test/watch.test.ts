import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ExtendedJobResponse, FrameData } from "../src/api/generated";
import { PictureLoader, type Picture } from "../src/player/PictureLoader";
import { Player } from "../src/player/Player";
import { RealtimeStore } from "../src/realtime/RealtimeStore";
import { frame, framePayload, job, JOB_ID, message } from "./examples";
import { soon } from "./soon";

/** The pending picture requests: index → a function that answers it. */
const requests = new Map<number, () => void>();

beforeEach(() => {
  vi.stubGlobal("createImageBitmap", () => Promise.resolve({ close: () => undefined }));
  vi.stubGlobal("fetch", (url: string, { signal }: RequestInit) => new Promise<Response>((answer, refuse) => {
    const index = Number(/(\d+)\.jpg$/.exec(url)?.[1]);
    requests.set(index, () => answer(new Response(new Blob(["jpeg"]))));
    signal?.addEventListener("abort", () => refuse(new DOMException("gone", "AbortError")));
  }));
});
afterEach(() => {
  requests.clear();
  vi.unstubAllGlobals();
});

function watchedJob(change: Partial<ExtendedJobResponse> | null): RealtimeStore {
  const store = new RealtimeStore();
  store.dispatch({ type: "watch", jobId: JOB_ID });
  if (change) store.dispatch({ type: "job", job: job(change) });
  return store;
}

function runningJob(...indices: number[]): RealtimeStore {
  const store = watchedJob({ frames_done: 1000 });
  for (const index of indices) store.dispatch({ type: "message", message: message("frame", framePayload({ index })) });
  return store;
}

test("pausing a running job stays on the visible frame, which the timeline does not have yet", () => {
  const player = new Player(JOB_ID, runningJob(81, 82, 83, 84));
  player.timeline.add(frame(60));
  player.shown.set(frame(83));
  player.toggle();
  expect([player.isLive, player.index, player.row]).toEqual([false, 83, 0]);
});

test("a step goes to the neighbour of the visible frame", () => {
  const player = new Player(JOB_ID, runningJob(3, 4, 5, 6));
  [3, 4, 5, 6].forEach((index) => player.timeline.add(frame(index)));
  player.shown.set(frame(5));
  player.step(-1);
  player.step(-1);
  expect(player.getState()).toMatchObject({ index: 3, following: false });
});

test("while a job is followed, the picture shown is the newest one sent whose results are here", () => {
  const store = runningJob(1, 2, 3);
  const player = new Player(JOB_ID, store);
  [2, 3, 4].forEach((index) => store.addPicture({ jobId: JOB_ID, index, jpeg: new Blob() }));
  expect(player.sentPicture()?.index).toBe(3);
  player.seekIndex(1);
  expect(player.sentPicture()).toBeNull();
});

test("a picture that was sent is not fetched", async () => {
  const pictures: Picture[] = [];
  const loader = new PictureLoader(JOB_ID, (picture) => pictures.push(picture));
  loader.want(7, new Blob(["jpeg"]));
  await soon(() => expect(pictures.map(({ index }) => index)).toEqual([7]));
  expect(requests.size).toBe(0);
});

test("of the pictures wanted while one is being loaded, only the last is fetched, and it comes last", async () => {
  const pictures: Picture[] = [];
  const loader = new PictureLoader(JOB_ID, (picture) => pictures.push(picture));
  [1, 2, 3].forEach((index) => loader.want(index));
  requests.get(1)?.();
  await soon(() => expect(requests.has(3)).toBe(true));
  requests.get(3)?.();
  await soon(() => expect(pictures.map(({ index }) => index)).toEqual([1, 3]));
  expect([...requests.keys()]).toEqual([1, 3]);
});

test("a picture that is being loaded is dropped once the visible one is wanted again", async () => {
  const pictures: Picture[] = [];
  const loader = new PictureLoader(JOB_ID, (picture) => pictures.push(picture));
  loader.want(1);
  requests.get(1)?.();
  await soon(() => expect(pictures).toHaveLength(1));
  loader.want(2);
  loader.want(1);
  requests.get(2)?.();
  await new Promise((next) => setTimeout(next));
  expect(pictures.map(({ index }) => index)).toEqual([1]);
});

/** A server that sends the job's frames when the test says so. */
function framesAsTold() {
  const encoder = new TextEncoder();
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (stream = controller) });
  const answerTo = (url: string) => (url.includes("/frames?") ? new Response(body) : Response.json({ events: [], next: null }));
  vi.stubGlobal("fetch", (url: string) => Promise.resolve(answerTo(url)));
  return {
    send: (...frames: FrameData[]) => stream?.enqueue(encoder.encode(frames.map((each) => `${JSON.stringify(each)}\n`).join(""))),
    end: () => stream?.close(),
  };
}

const found = (index: number) => frame(index, { people: { detections: [{ x: 0, y: 0, width: 9, height: 9, class: "person" }] } });

test("the frames of a long ended job are shown as they arrive, while the rest is still being read", async () => {
  const server = framesAsTold();
  const player = new Player(JOB_ID, watchedJob({ status: "done" }));
  player.start();
  server.send(frame(0), found(1));
  await soon(() => expect(player.getState()).toMatchObject({ index: 1, version: 1 }));
  server.send(found(2));
  server.end();
  await new Promise((next) => setTimeout(next));
  expect(player.timeline.length).toBe(2);
  player.shown.set(found(1));
  await soon(() => expect(player.timeline.length).toBe(3));
  expect(player.index).toBe(1);
  player.stop();
});

test("a job that had ended before it was opened is shown at its first detection, even if its state comes late", async () => {
  const server = framesAsTold();
  const store = watchedJob(null);
  const player = new Player(JOB_ID, store);
  player.start();
  server.send(found(0), frame(1));
  await soon(() => expect(player.timeline.length).toBe(2));
  store.dispatch({ type: "job", job: job({ status: "done" }) });
  server.end();
  await soon(() => expect(player.getState()).toMatchObject({ index: 0, version: 2 }));
  player.stop();
});

test("the frames before one are those that came if the job runs, and the stored ones if it has ended", async () => {
  expect(new Player(JOB_ID, runningJob(3, 4, 5, 6)).framesBefore(6, 2).map(({ index }) => index)).toEqual([4, 5]);
  vi.stubGlobal("fetch", (url: string) => {
    const after = Number(new URL(url, "http://x").searchParams.get("after"));
    return Promise.resolve(Response.json({ frames: Array.from({ length: 100 }, (_, i) => frame(after + 1 + i)), next_after: null }));
  });
  const player = new Player(JOB_ID, watchedJob({ status: "done" }));
  for (let index = 0; index < 200; index++) player.timeline.add(frame(index));
  await soon(() => expect(player.framesBefore(130, 60).map(({ index }) => index)).toEqual(Array.from({ length: 60 }, (_, i) => 70 + i)));
  expect(player.framesBefore(0, 60)).toEqual([]);
});
