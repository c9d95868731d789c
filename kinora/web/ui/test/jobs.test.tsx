import { fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { Deletions, UNDO_MS } from "../src/jobs/Deletions";
import { JobList } from "../src/jobs/JobList";
import { countsOf, headline } from "../src/jobs/jobWords";
import { pictureOf } from "../src/jobs/Thumbnail";
import { JOB } from "../src/kit/examples";
import { RUNNING_JOB } from "../src/kit/watched";
import { RealtimeContext } from "../src/realtime/RealtimeContext";
import { soon } from "./soon";

test.each([["demo:", 3, 9, 3], ["clip.mp4", null, 9, 0], ["clip.mp4", null, 0, null], ["camera:front", 3, 9, null], ["push:", 0, 9, null], ["rtsp://cam/x", 1, 9, null]])(
  "the picture of a job on %s",
  (source, picture, done, index) => expect(pictureOf({ source, picture, frames_done: done })).toBe(index),
);

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("a deletion can be undone for ten seconds, and a further one makes it final", () => {
  vi.useFakeTimers();
  const remove = vi.fn(() => Promise.resolve());
  const deletions = new Deletions(remove);
  deletions.request(["a"]);
  vi.advanceTimersByTime(UNDO_MS - 1);
  deletions.undo();
  vi.advanceTimersByTime(UNDO_MS);
  expect(remove).not.toHaveBeenCalled();
  deletions.request(["b", "c"]);
  deletions.request(["d"]);
  expect(remove.mock.calls).toEqual([["b", false], ["c", false]]);
  expect(deletions.get().ids).toEqual(["d"]);
  vi.advanceTimersByTime(UNDO_MS);
  expect(remove).toHaveBeenLastCalledWith("d", false);
});

test("deleted jobs stay hidden until the server has answered, and a refusal is told", async () => {
  const deletions = new Deletions((id) => (id === "bad" ? Promise.reject(new Error("No.")) : Promise.resolve()));
  deletions.request(["good"]);
  deletions.finish();
  expect(deletions.get().ids).toEqual(["good"]);
  await soon(() => expect(deletions.get()).toEqual({ ids: [], error: null }));
  deletions.request(["bad"]);
  deletions.finish();
  await soon(() => expect(deletions.get()).toEqual({ ids: [], error: "No." }));
});

test("the headline says if plugins failed, and the counts fit the job's state", () => {
  expect(headline("done", 0, 3)).toEqual({ text: "done" });
  expect(headline("done", 2, 3)).toEqual({ text: "done, 2 plugins failed", tone: "warn" });
  expect(headline("done", 2, 2)).toEqual({ text: "done, all plugins failed", tone: "bad" });
  expect(headline("cancelled", 1, 2)).toEqual({ text: "cancelled" });
  expect(countsOf(JOB, "running")).toEqual(["42 frames", "128 found"]);
  expect(countsOf(JOB, "done")).toEqual(["42 frames", "128 found", "1:04 min"]);
  expect(countsOf({ ...JOB, queue_position: 3 }, "queued")).toEqual(["number 3 in the queue"]);
});

test("search and filter are asked of the server, and further pages are fetched while one is short", async () => {
  const asked: string[] = [];
  vi.stubGlobal("fetch", (url: string) => {
    asked.push(url);
    const second = url.includes("cursor=next");
    return Promise.resolve(Response.json({ jobs: [{ ...JOB, job_id: second ? "b" : "a" }], next_cursor: url.includes("q=") && !second ? "next" : null }));
  });
  render(
    <RealtimeContext value={RUNNING_JOB}>
      <JobList current={null} onOpen={() => undefined} />
    </RealtimeContext>,
  );
  expect(await screen.findAllByRole("link")).toHaveLength(1);
  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "gate people" } });
  fireEvent.change(screen.getByLabelText("Status of the jobs"), { target: { value: "done" } });
  await soon(() => expect(screen.getAllByRole("link")).toHaveLength(2));
  expect(asked).toContain("/v1/jobs?limit=50&status=done&q=gate+people");
  expect(asked).toContain("/v1/jobs?limit=50&status=done&q=gate+people&cursor=next");
});
