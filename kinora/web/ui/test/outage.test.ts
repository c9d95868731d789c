import { expect, test } from "vitest";
import { shownState } from "../src/api/jobStates";
import { stageInWords } from "../src/overlay/EmptyStage";
import { progressInWords } from "../src/overlay/RealtimeOverlay";
import { lastReason, outageInWords, reasonOf } from "../src/realtime/outage";
import type { ExtendedJobResponse, ProgressPayload } from "../src/api/generated";
import { reduce, type Action } from "../src/realtime/reducer";
import { INITIAL_STATE, isEndless, watchedOutage, watching, type RealtimeState } from "../src/realtime/state";
import { titleOf } from "../src/watch/useJobTitle";
import { job, JOB_ID, message, warningPayload } from "./examples";

const LIVE = { progress: null, frames_total: null, source: "rtsp://camera.local/door", duration_ms: 192_000, fps: 24.9, frames_done: 1234 };
const NOW = new Date("2026-11-23T12:30:00");

function progress(stage: ProgressPayload["stage"], at: Date): Action {
  const payload: ProgressPayload = { job_id: JOB_ID, progress: null, stage, plugin: null, frames_done: 1234, frames_total: null };
  return { type: "message", message: { ...message("progress", payload), timestamp: at.toISOString() } };
}

function lost(words: string, at: Date): Action {
  const payload = warningPayload({ plugin: null, code: "SOURCE_LOST", message: words, frame_id: null });
  return { type: "message", message: { ...message("warning", payload), timestamp: at.toISOString() } };
}

const after = (actions: Action[]): RealtimeState =>
  ([{ type: "job", job: job(LIVE) }, ...actions] as Action[]).reduce(reduce, watching(INITIAL_STATE, JOB_ID));

test("a live job has no per cent, end or time left, but the time that it has run", () => {
  const state = after([]);
  expect(isEndless(state)).toBe(true);
  expect(progressInWords(state)).toMatchObject({ endless: true, words: "running · 1,234 frames · 24.9 fps · for 3:12 min" });
  expect(titleOf(state)).toBe("running · door · Kinora");
});

test("a live job that has ended was not 100% of anything", () => {
  const state = reduce(watching(INITIAL_STATE, JOB_ID), { type: "job", job: job({ ...LIVE, status: "done", stage: "finalizing", progress: 100 }) });
  expect(progressInWords(state)).toMatchObject({ endless: true, words: "done · 1,234 frames · 24.9 fps · for 3:12 min" });
});

test("a file has per cent and an end", () => {
  const state = reduce(watching(INITIAL_STATE, JOB_ID), { type: "job", job: job() });
  expect(progressInWords(state)).toMatchObject({ endless: false, words: "running · 40% · 40 of 100 frames · 20.0 fps · 3 s left" });
});

test("an outage is told with its begin and reason, and is over with the next picture", () => {
  const begin = new Date("2026-11-23T12:04:10");
  const away = after([progress("running", NOW), lost("unreachable: No route to host.", begin), progress("reconnecting", NOW)]);
  expect(watchedOutage(away)).toEqual({ since: begin.toISOString(), why: "unreachable" });
  expect(stageInWords(away).words).toMatch(/^No picture since .*04.*: camera unreachable, trying again$/);
  expect(titleOf(away)).toBe("reconnecting · door · Kinora");
  expect(progressInWords(away).words).toBe("reconnecting · 1,234 frames · for 3:12 min");
  expect(watchedOutage(reduce(away, progress("running", NOW)))).toBeNull();
});

test("an outage that began before this page was opened has no made-up begin", () => {
  const away = reduce(watching(INITIAL_STATE, JOB_ID), progress("reconnecting", NOW));
  expect(watchedOutage(away)).toEqual({ since: null, why: null });
  expect(outageInWords({ since: null, why: null }, "camera:front")).toBe("No picture: trying again");
  expect(outageInWords({ since: null, why: "auth" }, "camera:front")).toBe("No picture: the camera wants another name or password, trying again");
});

test("nobody tries again where clients push: the server waits for them", () => {
  expect(outageInWords({ since: null, why: "closed" }, "push:")).toBe("No picture: waiting for the client that pushes");
});

test("a page that is opened in an outage says since when and why, as the server keeps it", () => {
  const outage = { reason: "silent", message: "cam is silent.", lost_at: "2026-11-23T12:04:10.000Z", back_at: null, seconds: null, frame_id: null } as const;
  const open = (outages: ExtendedJobResponse["outages"]) =>
    ([progress("reconnecting", NOW), { type: "job", job: job({ ...LIVE, stage: "reconnecting", outages }) }] as Action[]).reduce(reduce, watching(INITIAL_STATE, JOB_ID));
  expect(watchedOutage(open([outage]))).toEqual({ since: outage.lost_at, why: "silent" });
  expect(stageInWords(open([outage])).words).toMatch(/^No picture since .*: the camera has fallen silent, trying again$/);
  expect(watchedOutage(open([{ ...outage, back_at: "2026-11-23T12:05:00.000Z" }])), "that one is over").toEqual({ since: null, why: null });
});

test("the reason is the word with which the last loss begins", () => {
  expect(reasonOf("no_video: It has no video.")).toBe("no_video");
  expect(reasonOf("constructor of things")).toBeNull();
  expect(lastReason([{ code: "SOURCE_LOST", message: "auth: x" }, { code: "SOURCE_LOST", message: "silent: y" }, { code: "SOURCE_BACK", message: "z" }])).toBe("silent");
});

test("only a running job is shown as reconnecting", () => {
  expect([shownState("running", "reconnecting"), shownState("running", "running"), shownState("cancelled", "reconnecting")]).toEqual(["reconnecting", "running", "cancelled"]);
});
