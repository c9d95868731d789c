import { render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import type { HealthDetails } from "../src/api/generated";
import { Room } from "../src/jobs/Room";
import { roomLine, roomSentences } from "../src/jobs/roomWords";

const ROOM: HealthDetails = {
  measured_at: "2026-11-26T08:00:00.000Z",
  jobs: { queued: 1, running: 1, paused: 0, done: 1200, failed: 3, cancelled: 0, interrupted: 0 },
  database_bytes: 1_000_000_000,
  coming_free_bytes: 0,
  upload_bytes: 240_000_000,
  video_bytes: 0,
  kept_bytes: 1_240_000_000,
  disk_free_bytes: 70_000_000_000,
  min_free_bytes: 200_000_000,
  oldest_end: "2026-11-03T08:00:00.000Z",
  keep_days: null,
  keep_bytes: null,
  next_job: null,
  next_at: null,
};
const NOW = new Date("2026-11-26T08:00:00.000Z");

afterEach(() => vi.unstubAllGlobals());

test("the line tells jobs, what they use, of how much, and what is free", () => {
  expect(roomLine(ROOM)).toBe("1,205 jobs · 1.2 GB used · 70 GB free");
  expect(roomLine({ ...ROOM, keep_bytes: 50_000_000_000, disk_free_bytes: null })).toBe("1,205 jobs · 1.2 GB used of 50 GB");
});

test("the sentences tell what goes by itself, and when the next job does", () => {
  expect(roomSentences(ROOM, NOW)).toContain("The server deletes no job by itself.");
  const kept = { ...ROOM, keep_days: 30, keep_bytes: 50_000_000_000, next_job: "a", next_at: "2026-12-03T09:00:00.000Z" };
  const said = roomSentences(kept, NOW).join(" ");
  expect(said).toContain("A job is deleted 30 days after its end, with its results and upload. Beyond 50 GB the jobs that ended first are deleted.");
  expect(said).toMatch(/The next one goes on .*Dec.*2026\./);
  expect(roomSentences({ ...kept, next_at: "2026-11-26T07:00:00.000Z" }, NOW)).toContain("The next one goes within a minute.");
  expect(roomSentences({ ...kept, keep_days: 0.5 }, NOW)).toContain("A job is deleted 12 hours after its end, with its results and upload.");
});

test("a disk without room is told", () => {
  expect(roomSentences({ ...ROOM, disk_free_bytes: 100_000_000 }, NOW).at(-1)).toBe("The disk has too little room: no new job is accepted below 200 MB.");
  expect(roomSentences(ROOM, NOW).join(" ")).not.toContain("too little");
});

test("the line is there once the server has answered", async () => {
  vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ status: "ok", details: ROOM })));
  render(<Room />);
  expect(await screen.findByText("1,205 jobs · 1.2 GB used · 70 GB free")).toBeDefined();
});
