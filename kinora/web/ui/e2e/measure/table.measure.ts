/** How smooth the table of results is with 100,000 rows: scrolled, sorted, filtered. */
import type { CDPSession, Page } from "playwright-core";
import { test } from "vitest";
import { browser, longest, ROUNDS, server, serverFor } from "./bench";
import { percentile, printTable, spread } from "./figures";
import { openProbed, takeNotes, type Notes } from "./probe";
import { lengthenJob, writeBoxes, writeMetrics } from "./source";

const FRAMES = 100_000;

serverFor(() => {
  for (const name of ["red", "green"]) writeBoxes(server, name);
  writeMetrics(server, "light");
});

type Act = (page: Page) => Promise<unknown>;
const table = (page: Page) => page.getByRole("region", { name: "Results, a row for each frame" });

interface Figures extends Notes {
  /** The processor's time that the page's main thread took, in ms: the same on a busy machine. */
  work: number;
}

/** Each act, in the order in which they are done. */
const ACTS: Record<string, Act> = {
  "scrolled by 1,000 rows a second": (page) => scroll(page, 1000 / 60),
  "dragged through all rows in three seconds": (page) => scroll(page, FRAMES / 180),
  "sorted by a number": (page) => table(page).getByRole("button", { name: "light level" }).click(),
  "sorted, then scrolled by 1,000 rows a second": (page) => scroll(page, 1000 / 60),
  "sorted the other way": (page) => table(page).getByRole("button", { name: "light level" }).click(),
  "filtered, a letter at a time: light.level<40": (page) => type(page, "light.level<40"),
  "filtered by a word: #3": (page) => type(page, "#3"),
};

test("the table of 100,000 rows", async () => {
  const jobId = await server.submit(["red", "green", "light"], { max_frames: 20 }, { source: "demo:" });
  await server.ended(jobId);
  await server.kill();
  lengthenJob(server, jobId, FRAMES);
  await server.start("--media-dir", server.folder);
  const rounds: Record<string, Figures>[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await actAll(jobId));
  const row = (name: string) => {
    const notes = rounds.flatMap((round) => round[name] ?? []);
    const frames = (share: number) => spread(notes.map(({ intervals }) => percentile(intervals, share)), "ms");
    const work = spread(notes.map((one) => one.work / one.intervals.length), "ms", 1);
    return [name, frames(0.95), frames(0.99), spread(notes.map(longest), "ms"), work];
  };
  printTable(["a table of 100,000 rows", "animation frames: p95", "p99", "longest task (0: under 50)", "work for each frame"], Object.keys(ACTS).map(row));
});

async function actAll(jobId: string): Promise<Record<string, Figures>> {
  const page = await openProbed(browser, `${server.url}/#/jobs/${jobId}`);
  await page.getByText("100,000 frames", { exact: true }).waitFor();
  const notes: Record<string, Figures> = {};
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  for (const [name, act] of Object.entries(ACTS)) {
    await page.waitForTimeout(500);
    await takeNotes(page);
    const before = await workOf(session);
    await act(page);
    await page.waitForTimeout(500);
    notes[name] = { ...(await takeNotes(page)), work: (await workOf(session)) - before };
  }
  await page.context().close();
  return notes;
}

/** The processor's time of the main thread's tasks so far, in ms. */
async function workOf(session: CDPSession): Promise<number> {
  const { metrics } = await session.send("Performance.getMetrics");
  return 1000 * (metrics.find(({ name }) => name === "TaskDuration")?.value ?? NaN);
}

/** Scroll for three seconds, some rows in each animation frame. */
function scroll(page: Page, rows: number): Promise<void> {
  return table(page).evaluate(async (box, perFrame) => {
    box.scrollTop = 0;
    const row = box.querySelector(".table-body .table-row")?.clientHeight ?? 0;
    const began = performance.now();
    for (let gone = 0; gone < 3000; gone = performance.now() - began) {
      box.scrollTop = (gone / 1000) * 60 * perFrame * row;
      await new Promise(requestAnimationFrame);
    }
  }, rows);
}

async function type(page: Page, text: string): Promise<void> {
  const field = page.getByRole("searchbox", { name: "Filter the rows" });
  await field.fill("");
  await field.pressSequentially(text, { delay: 80 });
}
