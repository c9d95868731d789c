/** Measures the page in a real browser and prints tables in Markdown: `npm run measure`, in part with `-- -t finished`. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { Server } from "./kit/server";
import { showPictures } from "./measure-bare";
import { percentile, printTable, spread } from "./measure-figures";
import { MemoryMeter, type Memory } from "./measure-memory";
import { openProbed, takeNotes, type Notes } from "./measure-probe";
import { makeClip, writeBoxes, writePacedBoxes } from "./measure-source";

const ROUNDS = 3;
const server = new Server();
let browser: Browser;

beforeAll(async () => {
  writePacedBoxes(server, "camera");
  for (const name of ["red", "green", "blue"]) writeBoxes(server, name);
  await server.start("--media-dir", server.folder);
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

/** A long frame, in ms: over 50, as three frames of a 60 Hz screen are at times reported as 50.1. */
const isLong = (interval: number) => interval > 51;
const longest = (notes: Notes) => Math.max(0, ...notes.longTasks);

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
  makeClip(server, "long.mp4", { frames: 36_000, width: 640, height: 360 });
  const columns: Opening[][] = [];
  for (const frames of [5_000, 36_000]) {
    const jobId = await server.submit(["red", "green"], { max_frames: frames }, { source: "long.mp4" });
    await server.ended(jobId);
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

const LOOK_MS = 10_000;
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

test("an hour's messages go through the page", async () => {
  const frames = 108_000;
  makeClip(server, "hour.mp4", { frames, width: 64, height: 48 });
  const { context, page } = await openPage(browser, "about:blank");
  await page.addInitScript(takeAll);
  const jobId = await server.submit(["red", "green"], {}, { source: "hour.mp4" });
  await page.goto(`${server.url}/#/jobs/${jobId}`);
  const meter = await MemoryMeter.of(page);
  const readings: { received: number; memory: Memory }[] = [];
  const read = async () => readings.push({ received: await page.evaluate(() => window.received), memory: await meter.read() });
  for (let next = 10_000; next < frames; next += 10_000) {
    while ((await server.state()).frames_done < next) await page.waitForTimeout(200);
    await read();
  }
  await page.getByText(/^done/).first().waitFor({ timeout: 0 });
  await read();
  await context.close();
  printTable(["frame messages", "heap, MB", "buffers, MB", "DOM nodes", "listeners"], readings.map(({ received, memory }) => [
    received.toLocaleString("en"),
    memory.heapMB.toFixed(2),
    memory.buffersMB.toFixed(2),
    String(memory.nodes),
    String(memory.listeners),
  ]));
});

declare global {
  interface Window {
    /** The number of frame messages. */
    received: number;
  }
}

/** Make the page receive every frame, at any pace, and count the messages. */
function takeAll(): void {
  window.received = 0;
  window.WebSocket = class extends WebSocket {
    constructor(address: string | URL) {
      const url = new URL(address);
      url.searchParams.delete("max_fps");
      super(url);
      this.addEventListener("message", ({ data }) => {
        if (typeof data === "string" && data.includes('"type":"frame"')) window.received += 1;
      });
    }
  };
}
