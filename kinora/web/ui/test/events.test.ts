import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { EventPayload } from "../src/api/generated";
import { EventLog, MAX_CHARACTERS, MAX_EVENTS } from "../src/player/EventLog";
import { RealtimeStore } from "../src/realtime/RealtimeStore";
import { job, JOB_ID } from "./examples";
import { soon } from "./soon";

const event = (number: number, data: string | null = null): EventPayload => ({
  job_id: JOB_ID, number, plugin: "zones", kind: "entered", message: "", data, frame_id: `frame-${number}`, index: number, timestamp_ms: 40 * number,
});

/** How many events the server has stored, and what it was asked for. */
let stored = 0;
let asked: number[] = [];
let refuses = false;
let log: EventLog;
let store: RealtimeStore;

beforeEach(() => {
  [stored, asked, refuses] = [0, [], false];
  vi.stubGlobal("fetch", (url: string) => {
    if (refuses) return Promise.resolve(Response.json({ detail: "It is busy." }, { status: 503 }));
    const query = new URLSearchParams(url.split("?")[1]);
    const after = Number(query.get("after"));
    const end = Math.min(stored, after + Number(query.get("limit")));
    asked.push(after);
    return Promise.resolve(Response.json({ events: Array.from({ length: end - after }, (_, i) => event(after + 1 + i)), next: end < stored ? end : null }));
  });
  store = new RealtimeStore();
  store.dispatch({ type: "watch", jobId: JOB_ID });
  log = new EventLog(JOB_ID, store);
  log.start();
});

afterEach(() => {
  log.stop();
  vi.unstubAllGlobals();
});

const numbers = () => log.get().list.map(({ number }) => number);
const tell = (number: number, data: string | null = null) => store.dispatch({ type: "message", message: { type: "event", payload: event(number, data), timestamp: "", id: String(number) } });

test("the stored events are loaded page by page, and those that are told follow without a request", async () => {
  stored = 2500;
  store.dispatch({ type: "job", job: job() });
  await soon(() => expect(numbers()).toHaveLength(2500));
  expect(asked).toEqual([0, 1000, 2000]);
  tell(2501);
  await soon(() => expect(numbers().at(-1)).toBe(2501));
  expect(asked).toHaveLength(3);
});

test("what messages left out is fetched, and nothing is listed twice", async () => {
  store.dispatch({ type: "job", job: job() });
  tell(1);
  await soon(() => expect(numbers()).toEqual([1]));
  stored = 4;
  tell(4);
  await soon(() => expect(numbers()).toEqual([1, 2, 3, 4]));
});

test("a server that refuses is asked again with the job's next state, not with each message", async () => {
  refuses = true;
  store.dispatch({ type: "job", job: job() });
  await soon(() => expect(log.get().error).toBe("It is busy."));
  refuses = false;
  stored = 3;
  tell(3);
  await soon(() => expect(store.getState().eventsTold).toBe(3));
  expect(asked).toEqual([]);
  store.dispatch({ type: "job", job: job() });
  await soon(() => expect(log.get()).toMatchObject({ error: null, list: [{ number: 1 }, { number: 2 }, { number: 3 }] }));
});

test("of very many events the page lists the newest", async () => {
  stored = MAX_EVENTS + 1500;
  store.dispatch({ type: "job", job: job() });
  await soon(() => expect(log.get().leftOut).toBe(1500));
  expect(numbers()[0]).toBe(1501);
});

test("of events with much data the page lists the newest that fit, and counts the others", async () => {
  const half = "x".repeat(MAX_CHARACTERS / 2 - 2);
  store.dispatch({ type: "job", job: job() });
  for (let number = 1; number <= 4; number++) {
    tell(number, half);
    await soon(() => expect(numbers().at(-1)).toBe(number));
  }
  expect([numbers(), log.get().leftOut]).toEqual([[3, 4], 2]);
});

test("what is told while the server refuses to say what it has stored is listed", async () => {
  refuses = true;
  store.dispatch({ type: "job", job: job() });
  tell(1);
  await soon(() => expect(numbers()).toEqual([1]));
});
