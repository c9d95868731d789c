/** How fast a finished job opens, and its table scrolls. */
import type { Page } from "playwright-core";
import { test } from "vitest";
import { browser, longest, ROUNDS, server, serverFor } from "./bench";
import { percentile, printTable, spread } from "./figures";
import { MemoryMeter } from "./memory";
import { openProbed, takeNotes, type Notes } from "./probe";
import { lengthenJob, makeClip, repeatClip, writeBoxes } from "./source";

/** The frames of the jobs; the first few are processed, the others are repeats of them in the store. */
const LENGTHS = [5_000, 36_000];
const PROCESSED = 60;
const CLIP_FRAMES = 1_000;

serverFor(() => {
  for (const name of ["red", "green"]) writeBoxes(server, name);
});

interface Opening {
  picture: number;
  scrubber: number;
  moved: number;
  loaded: number;
  task: number;
  heap: number;
  scrolling: Notes;
}

test("a finished job is opened", async () => {
  const columns: Opening[][] = [];
  for (const [jobId, frames] of await makeJobs()) {
    const openings: Opening[] = [];
    for (let round = 0; round < ROUNDS; round++) openings.push(await openFinished(jobId, frames));
    columns.push(openings);
  }
  const row = (name: string, figure: (openings: Opening[]) => string) => [name, ...columns.map(figure)];
  const ms = (name: string, of: (opening: Opening) => number) => row(name, (openings) => spread(openings.map(of), "ms"));
  printTable(["a finished job is opened", "5,000 frames", "36,000 frames"], [
    ms("until its picture is shown", ({ picture }) => picture),
    ms("until the scrubber can be moved", ({ scrubber }) => scrubber),
    ms("moved then, until that frame's picture is shown", ({ moved }) => moved),
    ms("until all frames are in the scrubber", ({ loaded }) => loaded),
    ms("longest task till then (0: under 50)", ({ task }) => task),
    row("heap after that", (openings) => spread(openings.map(({ heap }) => heap), "MB", 1)),
    ms("the table scrolled by 1,000 rows a second: animation frames, p95", ({ scrolling }) => percentile(scrolling.intervals, 0.95)),
    ms("… longest task (0: under 50)", ({ scrolling }) => longest(scrolling)),
  ]);
});

/** The ids of finished jobs and their frames. To process all frames would take minutes. */
async function makeJobs(): Promise<[jobId: string, frames: number][]> {
  makeClip(server, "short.mp4", { frames: CLIP_FRAMES, width: 640, height: 360 });
  repeatClip(server, "short.mp4", "long.mp4", Math.max(...LENGTHS) / CLIP_FRAMES);
  const jobs: [string, number][] = [];
  for (const frames of LENGTHS) {
    const jobId = await server.submit(["red", "green"], { max_frames: PROCESSED }, { source: "long.mp4" });
    await server.ended(jobId);
    jobs.push([jobId, frames]);
  }
  await server.kill();
  for (const [jobId, frames] of jobs) lengthenJob(server, jobId, frames);
  await server.start("--media-dir", server.folder);
  return jobs;
}

async function openFinished(jobId: string, frames: number): Promise<Opening> {
  const page = await openProbed(browser, `${server.url}/#/jobs/${jobId}`);
  const scrubber = await whenScrubberReaches(page, 1);
  const picture = await (await page.waitForFunction(() => window.probe.firstPicture)).jsonValue();
  const moved = await moveScrubber(page);
  const loaded = await whenScrubberReaches(page, frames - 1);
  const task = longest(await takeNotes(page));
  const heap = (await (await MemoryMeter.of(page)).read()).heapMB;
  await scrollTable(page);
  const opening = { picture: picture ?? NaN, scrubber, moved, loaded, task, heap, scrolling: await takeNotes(page) };
  await page.context().close();
  return opening;
}

/** The milliseconds from the navigation until the scrubber reaches up to `row`. */
async function whenScrubberReaches(page: Page, row: number): Promise<number> {
  const reached = await page.waitForFunction((last) => {
    const input = document.querySelector<HTMLInputElement>('input[aria-label="Frame"]');
    return input && !input.disabled && Number(input.max) >= last && performance.now();
  }, row);
  return Number(await reached.jsonValue());
}

/** The milliseconds from moving the scrubber to the middle until the picture of that frame is shown. */
function moveScrubber(page: Page): Promise<number> {
  return page.getByRole("slider", { name: "Frame", exact: true }).evaluate(async (input: HTMLInputElement) => {
    const began = performance.now();
    const row = String(Math.floor(Number(input.max) / 2));
    // React overrides the setter of `value`, and notices only changes by the original one.
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(input, row);
    input.dispatchEvent(new Event("input", { bubbles: true }));
    while (!document.querySelector(`canvas[data-index="${row}"]`)) await new Promise(requestAnimationFrame);
    return performance.now() - began;
  });
}

/** Scroll the results for three seconds, some rows in each animation frame; the probe starts afresh with it. */
function scrollTable(page: Page): Promise<void> {
  return page.getByRole("region", { name: "Results, a row for each frame" }).evaluate(async (table) => {
    table.scrollTop = 0;
    window.probe.take();
    const began = performance.now();
    const row = table.querySelector(".table-body .table-row")?.clientHeight ?? 0;
    for (let gone = 0; gone < 3000; gone = performance.now() - began) {
      table.scrollTop = gone * row;
      await new Promise(requestAnimationFrame);
    }
  });
}
