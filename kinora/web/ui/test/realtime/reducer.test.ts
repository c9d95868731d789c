import { describe, expect, test } from "vitest";
import type { CompletePayload, ProgressPayload } from "../../src/api/generated";
import { reduce, type Action } from "../../src/realtime/reducer";
import { INITIAL_STATE, watchedStatus, watching, type RealtimeState } from "../../src/realtime/state";
import { framePayload, job, JOB_ID, message, warningPayload } from "../examples";

const WATCHING = watching(INITIAL_STATE, JOB_ID);

const after = (actions: Action[], state: RealtimeState = WATCHING) => actions.reduce(reduce, state);
const said = (...messages: ReturnType<typeof message>[]) => messages.map((each): Action => ({ type: "message", message: each }));

function progress(change: Partial<ProgressPayload>) {
  return message("progress", {
    job_id: JOB_ID,
    progress: 0,
    stage: "running",
    plugin: null,
    frames_done: 0,
    frames_total: null,
    ...change,
  });
}

describe("progress", () => {
  test("it is that of the watched job, from 0 to 100", () => {
    expect(after(said(progress({ progress: 25, frames_done: 5, frames_total: 20 })))).toMatchObject({ progress: 25, framesDone: 5 });
    expect(after(said(progress({ progress: 250 }))).progress).toBe(100);
    expect(after(said(progress({ progress: -3 }))).progress).toBe(0);
  });

  test("an unknown length is marked as such", () => {
    expect(after(said(progress({ progress: null })))).toMatchObject({ progress: 0, lengthKnown: false });
  });

  test("another job's progress shows in the list only", () => {
    const state = after(said(progress({ job_id: "other", progress: 80 })));
    expect(state.progress).toBe(0);
    expect(state.jobs.other).toMatchObject({ progress: 80 });
  });

  test("a job that is done is at 100, a cancelled one where it was", () => {
    const end = (status: CompletePayload["status"]) => message("complete", { job_id: JOB_ID, status, frames: 7, duration_ms: 1, warnings_count: 0 });
    expect(after(said(progress({ progress: 60 }), end("done"))).progress).toBe(100);
    expect(after(said(progress({ progress: 60 }), end("cancelled")))).toMatchObject({ progress: 60, framesDone: 7 });
  });

  test("an interrupted job that was resumed is at work again, and its error is over", () => {
    const why = "The source is live: resume the job, and it goes on from now.";
    const ended = after([
      { type: "job", job: job({ status: "interrupted", error: why }) },
      ...said(progress({ progress: null }), message("complete", { job_id: JOB_ID, status: "interrupted", frames: 7, duration_ms: 1, warnings_count: 0 })),
    ]);
    expect([watchedStatus(ended), ended.errors]).toEqual(["interrupted", [why]]);
    const resumed = after([...said(progress({ progress: null, stage: "queued" })), { type: "job", job: job({ status: "queued" }) }], ended);
    expect([watchedStatus(resumed), resumed.errors]).toEqual(["queued", []]);
  });

  test("of thousands of jobs the newest few hundred are kept", () => {
    const state = after(Array.from({ length: 5000 }, (_, i) => said(progress({ job_id: `job-${i}` }))).flat());
    expect(Object.keys(state.jobs).length).toBeLessThanOrEqual(400);
    expect(state.jobs["job-4850"]).toBeDefined();
    expect(state.jobs["job-4999"]).toBeDefined();
  });
});

describe("frames", () => {
  test("the current frame gathers the results of all plugins", () => {
    const state = after(
      said(
        message("frame", framePayload({ plugin: "motion", data: { a: 1 } })),
        message("frame", framePayload({ plugin: "people", data: { b: 2 } })),
      ),
    );
    expect(state.currentFrame).toMatchObject({ index: 3, results: { motion: { a: 1 }, people: { b: 2 } } });
  });

  test("a slower plugin's older frame does not push the newer one away", () => {
    const state = after(
      said(message("frame", framePayload({ plugin: "motion", index: 9 })), message("frame", framePayload({ plugin: "people", index: 4 }))),
    );
    expect(state.currentFrame?.index).toBe(9);
  });

  test("times add up per plugin", () => {
    const state = after(said(message("frame", framePayload({ timing_ms: 10.1 })), message("frame", framePayload({ timing_ms: 5.2 }))));
    expect(state.pluginTimings).toEqual({ people: 15.3 });
  });

  test("frames of other jobs change nothing", () => {
    expect(after(said(message("frame", framePayload({ job_id: "other" }))))).toBe(WATCHING);
  });
});

describe("warnings", () => {
  test("equal ones form one group with the server's count and the first frame", () => {
    const state = after(
      said(
        message("warning", warningPayload()),
        message("warning", warningPayload({ count: 10, frame_id: "frame-000099" })),
        message("warning", warningPayload({ plugin: null, message: "The source broke off", code: "SOURCE_TRUNCATED", frame_id: null })),
      ),
    );
    expect(state.warnings).toEqual(["faces: ZeroDivisionError: division by zero", "The source broke off"]);
    expect(state.warningGroups[0]).toMatchObject({ count: 10, frameIndex: 12 });
  });

  test("those in the job's state have their frames too, and newer ones from messages are added", () => {
    const known = { plugin: "faces", code: "PLUGIN_ERROR", severity: "high", message: "ZeroDivisionError: division by zero", count: 9, frame_id: "frame-000002", at: null } as const;
    const state = after([
      { type: "job", job: job({ warning_groups: [known] }) },
      ...said(message("warning", warningPayload({ count: 10 })), message("warning", warningPayload({ message: "another" }))),
      { type: "job", job: job({ warning_groups: [known] }) },
    ]);
    expect(state.warningGroups).toMatchObject([{ count: 10, frameIndex: 2, severity: "high" }, { message: "another", frameIndex: 12 }]);
  });

  test("a job with endless warnings does not fill the page", () => {
    const many = Array.from({ length: 3000 }, (_, i) => message("warning", warningPayload({ message: `number ${i}` })));
    expect(after(said(...many)).warnings).toHaveLength(500);
  });
});

describe("the rest", () => {
  test("plugins are in the order of the pipeline, in whatever order messages come", () => {
    const heard = (plugin: string) => message("plugin_status", {
      job_id: JOB_ID, plugin, status: "running", timing_ms: 1, frames_processed: 1, warnings_count: 0, health: "ok",
    });
    const known = job();
    const [only] = Object.values(known.plugins);
    if (!only) throw new Error("The example has no plugin.");
    const before = after(said(heard("tracker"), heard("people")));
    const state = after([{ type: "job", job: { ...known, plugins: { people: only, tracker: only } } }, ...said(heard("tracker"))], before);
    expect(Object.keys(before.plugins)).toEqual([]);
    expect(Object.keys(state.plugins)).toEqual(["people", "tracker"]);
    expect(state.plugins.tracker?.status).toBe("running");
  });

  test("watching another job starts afresh", () => {
    const busy = after(said(message("warning", warningPayload()), message("frame", framePayload())));
    expect(reduce(busy, { type: "watch", jobId: "other" })).toMatchObject({ jobId: "other", warnings: [], currentFrame: null });
  });

  test("a late answer about another job is ignored", () => {
    expect(reduce(WATCHING, { type: "job", job: job({ job_id: "other" }) })).toBe(WATCHING);
  });

  test("isConnected is true while messages come, polling while the page asks instead", () => {
    const info = { attempts: 0, givenUp: false, closed: null, lostAt: null, retryAt: null };
    expect(reduce(WATCHING, { type: "connection", info: { ...info, state: "CONNECTED" } })).toMatchObject({ isConnected: true, polling: false });
    expect(reduce(WATCHING, { type: "connection", info: { ...info, state: "CLOSED", closed: "off" } })).toMatchObject({ isConnected: false, polling: true });
  });

  test("messages that were missed for good are reported in words", () => {
    const state = after(said(message("gap", { from: "a-1", to: "a-9", reason: "restarted" })));
    expect(state.missed).toMatch(/was restarted/);
    expect(reduce(state, { type: "read" }).missed).toBeNull();
    const info = { attempts: 1, givenUp: false, closed: null, lostAt: 1, retryAt: 2, state: "DISCONNECTED" } as const;
    expect(reduce({ ...state, isConnected: true }, { type: "connection", info }).missed).toBeNull();
  });

  test("a job that the server does not have is unknown, until another one is watched", () => {
    const state = reduce(reduce(INITIAL_STATE, { type: "watch", jobId: "a" }), { type: "unknown", jobId: "a" });
    expect(state.unknown).toBe(true);
    expect(reduce(state, { type: "watch", jobId: "b" }).unknown).toBe(false);
  });

  test("a watched job that is deleted elsewhere is unknown, whether a message or an answer says so, and was there", () => {
    const deleted = message("progress", { job_id: JOB_ID, progress: null, stage: "deleted", plugin: null, frames_done: 0, frames_total: null });
    for (const action of [...said(deleted), { type: "unknown", jobId: JOB_ID } as const]) {
      expect(reduce(after([{ type: "job", job: job() }]), action)).toMatchObject({ unknown: true, job: { job_id: JOB_ID } });
    }
  });

  test("an error of the job is shown once", () => {
    const error = message("error", { job_id: JOB_ID, error: "The source is gone", plugin: null, details: { error_code: "X", message: "" }, frame_id: null });
    expect(after(said(error, error)).errors).toEqual(["The source is gone"]);
  });
});
