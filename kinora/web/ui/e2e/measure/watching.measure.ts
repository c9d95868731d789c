/** How smooth the page is while a job runs. */
import type { Page } from "playwright-core";
import { test } from "vitest";
import { showPictures } from "./bare";
import { browser, isLong, longest, ROUNDS, server, serverFor } from "./bench";
import { percentile, printTable, spread } from "./figures";
import { openProbed, takeNotes, type Notes } from "./probe";
import { makeClip, writeBoxes, writePacedBoxes } from "./source";

serverFor(() => {
  writePacedBoxes(server, "camera");
  for (const name of ["red", "green", "blue"]) writeBoxes(server, name);
});

test("a running job is watched", async () => {
  makeClip(server, "camera.mp4", { frames: 1_800, width: 640, height: 360 });
  const plugins = ["camera", "red", "green", "blue"];
  const idle: Notes[] = [];
  const beside: Notes[] = [];
  const bare: Notes[] = [];
  const watched: Notes[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    idle.push(await lookAt("/"));
    const jobId = await server.submit(plugins, {}, { source: "camera.mp4" });
    beside.push(await lookAt("/"));
    bare.push(await lookAt("/v1/health", (page) => showPictures(page, { picture: `/v1/jobs/${jobId}/frames/0.jpg`, ...SHOWN })));
    watched.push(await lookAt(`/#/jobs/${jobId}`));
    await server.post(`/v1/jobs/${jobId}/cancel`);
  }
  const pages = { idle, beside, bare, watched };
  const intervals = (share: number) => Object.values(pages).map((notes) => spread(notes.map((one) => percentile(one.intervals, share)), "ms", 1));
  const row = (of: (notes: Notes) => number, unit: string, digits = 0) => Object.values(pages).map((notes) => spread(notes.map(of), unit, digits));
  printTable(["a job at 30 frames/s with 4 plugins", "no job", "it runs, but is not watched", "a bare page shows 30 pictures/s beside it", "it is watched"], [
    ["animation frames: median", ...intervals(0.5)],
    ["… p95", ...intervals(0.95)],
    ["… p99", ...intervals(0.99)],
    ["… share over 50 ms", ...row(({ intervals: all }) => (100 * all.filter(isLong).length) / all.length, "%", 1)],
    ["longest task (0: under 50)", ...row(longest, "ms")],
    ["pictures drawn a second", ...row(({ pictures }) => pictures / (LOOK_MS / 1000), "", 1)],
    ["a canvas is drawn in one animation frame, at most", ...row(({ mostPaints }) => mostPaints, "times")],
  ]);
});

const LOOK_MS = 5_000;
/** The size and pace of pictures as in the watched job at 1440x900. */
const SHOWN = { perSecond: 30, width: 751, height: 422 };

/** The probe's measurements while a loaded page is open for some time. */
async function lookAt(path: string, prepare: (page: Page) => Promise<void> = () => Promise.resolve()): Promise<Notes> {
  const page = await openProbed(browser, server.url + path);
  await prepare(page);
  await page.waitForTimeout(3000);
  await takeNotes(page);
  await page.waitForTimeout(LOOK_MS);
  const notes = await takeNotes(page);
  await page.context().close();
  return notes;
}
