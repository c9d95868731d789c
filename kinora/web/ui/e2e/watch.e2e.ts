import { readFile } from "node:fs/promises";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bitmap } from "./kit/bitmap";
import { launch, openPage } from "./kit/browser";
import { Camera } from "./kit/Camera";
import { writePlugins } from "./kit/plugins";
import { Server, SOURCE } from "./kit/server";

const server = new Server();
let browser: Browser;

beforeAll(async () => {
  writePlugins(server);
  await server.start("--url-hosts", "127.0.0.1");
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

const canvas = (page: Page) => page.getByRole("img", { name: "Picture with the plugins' results" });

test("a job is started on a file from the media folder and watched: boxes are drawn on the picture", async () => {
  const { context, page, faults } = await openPage(browser, server.url);
  await page.getByRole("radio", { name: "Folder" }).check();
  if (SOURCE !== "demo:") await page.getByRole("radio", { name: /people\.mp4/ }).check();
  else await page.getByRole("radio", { name: "Demo" }).check();
  await page.getByRole("button", { name: "slow", exact: true }).click();
  await page.getByText("Frames and time").click();
  await page.getByLabel("At most").fill("60");
  await page.getByLabel("Every n-th").fill("4");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  const asked: string[] = [];
  page.on("request", (request) => request.url().endsWith(".jpg") && asked.push(request.url()));
  await page.locator('canvas[data-found]:not([data-found="0"])').waitFor();
  await expect.poll(async () => Number(await page.locator("canvas").first().getAttribute("data-index"))).toBeGreaterThan(60);
  expect(asked.length, "pictures that the page had to fetch").toBeLessThan(4);
  // Read and pressed in one go, as the visible frame changes all the time.
  const frozen = await page.evaluate(() => {
    document.querySelector<HTMLElement>("#toggle-play-pause")?.click();
    return document.querySelector<HTMLElement>("canvas[data-index]")?.dataset.index;
  });
  await page.getByRole("button", { name: "Play", exact: true }).waitFor();
  const { frames_done: before } = await server.state();
  await expect.poll(async () => (await server.state()).frames_done).toBeGreaterThan(before + 5);
  expect(await page.locator("canvas[data-index]").getAttribute("data-index")).toBe(frozen);
  await page.getByRole("button", { name: "Live" }).click();
  await page.getByText(/^done/).first().waitFor();
  expect(await page.getByRole("progressbar").getAttribute("aria-valuenow")).toBe("100");
  expect(faults).toEqual([]);
  await context.close();
});

test("a finished job is reviewed: scrubber, table, overlay and downloads", async () => {
  const jobId = await server.submit(["motion", "people", "tracker", "scenes"], { max_frames: 48, stride: 4 });
  await server.ended(jobId);
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await page.locator('canvas[data-found]:not([data-found="0"])').waitFor();
  const withBoxes = await canvas(page).screenshot();
  await page.locator("#toggle-overlay").click();
  await expect.poll(async () => withBoxes.equals(await canvas(page).screenshot())).toBe(false);
  await page.getByRole("slider", { name: "Frame", exact: true }).fill("10");
  await page.locator('canvas[data-index="40"]').waitFor();
  await page.getByRole("button", { name: /^44 / }).click();
  await page.locator('canvas[data-index="44"]').waitFor();
  for (const format of ["JSON", "NDJSON", "CSV", "MP4"]) {
    const download = page.waitForEvent("download");
    if (format === "JSON") await page.getByRole("button", { name: "Download" }).click();
    await page.getByRole(format === "MP4" ? "button" : "link", { name: new RegExp(`^${format} `) }).click();
    const file = await download;
    expect(file.suggestedFilename()).toBe(`${SOURCE.replace(/\.mp4$|:$/, "")}-${jobId.slice(0, 8)}.${format.toLowerCase()}`);
    expect(file.url(), "a link to the server, not the page's memory").toContain(`${server.url}/v1/jobs/${jobId}/`);
    const text = await readFile(await file.path(), "latin1");
    if (format === "JSON") expect((JSON.parse(text) as { frames: unknown[] }).frames).toHaveLength(48);
    if (format === "NDJSON") expect(text.trimEnd().split("\n")).toHaveLength(48);
    if (format === "MP4") expect(text.slice(4, 12)).toBe("ftypisom");
    if (format === "CSV") expect(text).toMatch(/^frame_id,index,timestamp_ms,plugin,class,confidence,x,y,width,height,track_id,[a-z_,]+\r\nframe-/);
  }
  for (const [format, ending] of [["COCO", "coco.json"], ["YOLO", "yolo.zip"], ["MOT", "mot.zip"], ["CVAT", "cvat.xml"], ["Parquet", "parquet"]] as const) {
    const download = page.waitForEvent("download");
    await page.getByRole(format === "Parquet" ? "button" : "link", { name: new RegExp(`^${format} `) }).click();
    expect((await download).suggestedFilename()).toMatch(new RegExp(`\\.${ending}$`));
  }
  expect(faults).toEqual([]);
  await context.close();
});

/** The number of pixels in the colour of track 6 on a blue picture. */
function violetPixels(page: Page): Promise<number> {
  return canvas(page).evaluate((element: HTMLCanvasElement) => {
    const pixels = element.getContext("2d")?.getImageData(0, 0, element.width, element.height).data ?? [];
    const at = (place: number) => pixels[place] ?? 0;
    let count = 0;
    for (let red = 0; red < pixels.length; red += 4) {
      if (at(red) > at(red + 1) + 30 && at(red + 1) > 50) count += 1;
    }
    return count;
  });
}

test("each switch changes what is drawn on the picture, and after a jump the map shows the trails up to that frame", async () => {
  server.writePictures("sky", 12, 0, 0, 255);
  const jobId = await server.submit(["walker", "pitch"], {}, { source: "sky" });
  await server.ended(jobId);
  const { context, page } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await page.locator('canvas[data-found]:not([data-found="0"])').waitFor();
  for (const name of ["boxes", "labels", "pitch", "radar", "overlay"]) {
    const before = await canvas(page).screenshot();
    await page.locator(`#toggle-${name}`).click();
    await expect.poll(async () => before.equals(await canvas(page).screenshot()), { message: name }).toBe(false);
  }
  await page.locator("#toggle-overlay").click();
  await expect.poll(() => violetPixels(page)).toBeGreaterThan(0);
  const standing = await violetPixels(page);
  await page.getByRole("slider", { name: "Frame", exact: true }).fill("11");
  await page.locator('canvas[data-index="11"]').waitFor();
  await expect.poll(() => violetPixels(page)).toBeGreaterThan(standing + 50);
  await context.close();
});

test("a box is touched: its facts show, it is chosen in the list and in the picture, enlarged, and hidden", async () => {
  server.writePictures("field", 12, 0, 0, 255);
  const jobId = await server.submit(["walker"], {}, { source: "field" });
  await server.ended(jobId);
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await page.locator('canvas[data-found="1"]').waitFor();
  const box = await canvas(page).boundingBox();
  if (!box) throw new Error("There is no picture.");
  const scale = Math.min(box.width / 64, box.height / 48);
  const left = box.x + (box.width - 64 * scale) / 2;
  const [x, y] = [left + 4 * scale, box.y + box.height / 2 + (28 - 24) * scale];
  const item = page.getByRole("region", { name: "This frame" }).getByRole("button", { name: /thing/ });
  await page.mouse.move(x, y);
  await page.locator(".picture-tip").getByText("#6").waitFor();
  await page.mouse.click(x, y);
  await expect.poll(() => item.getAttribute("aria-pressed")).toBe("true");
  await page.getByRole("region", { name: "The chosen detection as JSON" }).getByText('"track_id": 6').waitFor();
  const chosen = await canvas(page).screenshot();
  await item.click();
  await page.mouse.move(0, 0);
  await expect.poll(async () => chosen.equals(await canvas(page).screenshot())).toBe(false);
  await page.mouse.move(x, y);
  await page.mouse.wheel(0, -500);
  await expect.poll(() => page.locator("#zoom-reset").textContent()).toMatch(/^[2-9]\d\d%$/);
  await page.locator("#zoom-reset").click();
  await expect.poll(() => page.locator("#zoom-reset").textContent()).toBe("100%");
  await page.locator("#toggle-filters").click();
  await page.getByLabel("thing").uncheck();
  await page.locator('canvas[data-found="0"]').waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Show all again" }).click();
  await page.locator('canvas[data-found="1"]').waitFor();
  expect(faults).toEqual([]);
  await context.close();
});

test("the player obeys keys, fields and links, and the title says the job's state", async () => {
  const jobId = await server.submit(["motion", "quality", "careless"], { max_frames: 60 });
  await server.ended(jobId);
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${jobId}?frame=21`);
  const at = (index: number) => page.locator(`canvas[data-index="${index}"]`).waitFor();
  await at(21);
  await expect.poll(() => page.title()).toBe(`done · ${SOURCE} · Kinora`);
  await page.keyboard.press("ArrowRight");
  await at(22);
  await page.keyboard.press("Shift+ArrowLeft");
  await at(12);
  await expect.poll(() => page.url()).toContain("?frame=12");
  await page.keyboard.press("Home");
  await at(0);
  await page.keyboard.press("Space");
  await expect.poll(async () => Number(await page.locator("canvas[data-index]").getAttribute("data-index"))).toBeGreaterThan(2);
  await page.keyboard.press("k");
  await page.keyboard.press("End");
  await at(59);
  await page.keyboard.press("Shift+W");
  await at(0);
  await page.keyboard.press("g");
  await page.keyboard.type("33");
  await page.keyboard.press("Enter");
  await at(33);
  await page.getByText("brightness quality").waitFor();
  await page.getByRole("button", { name: "Show less of the timeline, larger" }).click();
  const slider = page.getByRole("slider", { name: "Frame", exact: true });
  expect(Number(await slider.getAttribute("max")) - Number(await slider.getAttribute("min"))).toBe(19);
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).getByText("play, pause", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.evaluate((link) => (location.hash = link), `#/jobs/${jobId}?frame=5`);
  await at(5);
  expect(faults).toEqual([]);
  await context.close();
});

test("a file dropped anywhere becomes the source, plugins are dragged into order, and the job runs in that order", async () => {
  const { context, page } = await openPage(browser, server.url);
  await page.getByRole("button", { name: "Remove scenes" }).waitFor();
  const dropped = await page.evaluateHandle(async () => {
    const picture = document.createElement("canvas");
    picture.width = picture.height = 64;
    picture.getContext("2d")?.fillRect(0, 0, 32, 32);
    const blob = await new Promise<Blob | null>((done) => picture.toBlob(done, "image/png"));
    const transfer = new DataTransfer();
    if (blob) transfer.items.add(new File([blob], "dropped.png", { type: "image/png" }));
    return transfer;
  });
  await page.locator(".welcome").dispatchEvent("drop", { dataTransfer: dropped });
  await page.getByText(/^dropped\.png · /).waitFor();
  const [from, to] = [await page.getByRole("button", { name: /^Move scenes/ }).boundingBox(), await page.getByRole("button", { name: /^Move motion/ }).boundingBox()];
  if (!from || !to) throw new Error("The plugins have no grips.");
  await page.mouse.move(from.x + 5, from.y + from.height / 2);
  await page.mouse.down();
  await page.mouse.move(to.x + 5, to.y + 2, { steps: 12 });
  await page.mouse.up();
  expect(await page.locator(".chosen-name").allTextContents()).toEqual(["scenes", "motion", "people", "tracker", "quality"]);
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByText(/^done · 100% · 1 of 1 frames/).waitFor();
  await page.locator(".plugin-card").nth(4).waitFor();
  expect(await page.locator(".plugin-card h3").allTextContents()).toEqual(["scenes", "motion", "people", "tracker", "quality"]);
  const first = page.url();
  await page.getByRole("button", { name: "Run again…" }).click();
  await page.getByText(/^dropped\.png · /).waitFor();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.waitForURL((url) => url.href !== first);
  await page.getByText(/^done · 100% · 1 of 1 frames/).waitFor();
  await page.reload();
  await page.getByRole("button", { name: "Run again…" }).click();
  await page.getByText("Choose dropped.png again: an uploaded file belongs to one job only").waitFor();
  await context.close();
});

test("the table has columns by plugin that are sorted and filtered, and all of them can be reached", async () => {
  const jobId = await server.submit(["motion", "people", "tracker", "quality", "scenes", "colors"], { max_frames: 40, stride: 8 });
  await server.ended(jobId);
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  const table = page.getByRole("region", { name: "Results, a row for each frame" });
  const top = async () => {
    await table.evaluate((element) => element.scrollTo(0, 0));
    return table.getByRole("row").nth(1).innerText();
  };
  await expect.poll(top).toMatch(/^0\s+0:00\.0/); // the rows are drawn a moment after the table has moved
  const byTime = await top();
  await table.getByRole("button", { name: "quality brightness" }).click();
  await expect.poll(top).not.toBe(byTime);
  await page.getByRole("searchbox", { name: "Filter the rows" }).fill("people>=1");
  await page.getByText(/^\d+ of 40 frames$/).waitFor();
  await page.getByRole("searchbox", { name: "Filter the rows" }).fill("");
  await table.getByRole("button", { name: "frame", exact: true }).click();
  await expect.poll(top).toBe(byTime);
  const head = table.getByRole("columnheader").last();
  await head.scrollIntoViewIfNeeded();
  const [box, cell, outer] = [await head.boundingBox(), await table.locator(".frame-cell").first().boundingBox(), await table.boundingBox()];
  expect((box?.x ?? 1e9) + (box?.width ?? 0)).toBeLessThanOrEqual((outer?.x ?? 0) + (outer?.width ?? 0) + 1);
  expect(cell?.x, "the column of frames stays").toBeCloseTo(outer?.x ?? -1, 0);
  await table.locator(".swatches").first().waitFor();
  expect(faults).toEqual([]);
  await context.close();
});

test("the table of results follows a running job until the user scrolls away from its end", async () => {
  const jobId = await server.submit(["slow"], { max_frames: 45 });
  const { context, page } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  const table = page.getByRole("region", { name: "Results, a row for each frame" });
  const scrolled = () => table.evaluate((element) => element.scrollTop);
  await expect.poll(scrolled, { timeout: 30_000 }).toBeGreaterThan(0);
  await table.evaluate((element) => element.scrollTo(0, 0));
  await server.ended(jobId);
  await page.getByText(/^done/).first().waitFor();
  expect(await scrolled()).toBe(0);
  await context.close();
});

test("a watched job shows each plugin's health and failures, and a device that was not available", async () => {
  const jobId = await server.submit(["crashing", "dying", "overdue", "motion"], { max_frames: 10 }, { device_requested: "cuda:9" });
  const { context, page } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await page.getByText(/^done/).first().waitFor();
  await page.getByText(/Runs on cpu instead of cuda:9: ./).waitFor();
  const badges = (plugin: string) => page.getByRole("article", { name: plugin }).locator(".badge").allTextContents();
  await expect.poll(() => badges("crashing")).toEqual(["completed", "1 restart", "1 failure"]);
  expect(await badges("dying")).toEqual(["failed", "2 restarts", "3 failures"]);
  expect(await badges("overdue")).toEqual(["completed", "degraded"]);
  expect(await badges("motion")).toEqual(["completed"]);
  await page.getByText("PLUGIN_CRASH").first().waitFor();
  await context.close();
});

test("a job is found in the list by a word and by its status", async () => {
  await server.ended(await server.submit(["colors"], { max_frames: 2 }));
  const { context, page } = await openPage(browser, server.url);
  await page.getByRole("tab", { name: "All jobs" }).click();
  const rows = page.getByRole("region", { name: "Jobs, newest first" }).getByRole("link");
  await page.getByRole("searchbox", { name: "Search jobs" }).fill("colors");
  const found = (await (await fetch(`${server.url}/v1/jobs?q=colors`)).json()) as { jobs: unknown[] };
  await expect.poll(() => rows.count()).toBe(found.jobs.length);
  await page.getByLabel("Status of the jobs").selectOption("failed");
  await page.getByText("No jobs match.").waitFor();
  await page.getByLabel("Status of the jobs").selectOption("done");
  await rows.first().click();
  await page.getByRole("article", { name: "colors" }).waitFor();
  await context.close();
});

test("several jobs are chosen in the list, which shows their pictures and counts: exported, cancelled, deleted", async () => {
  const ids = [await server.submit(["single"], { max_frames: 3 }, { source: "demo:" }), await server.submit(["single", "dying"], { max_frames: 3 }, { source: "demo:" })];
  for (const id of ids) await server.ended(id);
  const running = await server.submit(["hanging", "single"]);
  const { context, page } = await openPage(browser, server.url);
  await page.getByRole("tab", { name: "All jobs" }).click();
  await page.getByRole("searchbox", { name: "Search jobs" }).fill("single");
  const row = (id: string) => page.locator(".job-row-box", { has: page.locator(`[href="#/jobs/${id}"]`) });
  await row(ids[1] ?? "").getByText("done, 1 plugin failed").waitFor();
  await row(ids[0] ?? "").getByText(/^3 frames · 3 found · \d+ s$/).waitFor();
  await expect.poll(() => row(ids[0] ?? "").locator("img").evaluate((picture: HTMLImageElement) => picture.naturalWidth)).toBeGreaterThan(0);
  for (const id of [...ids, running]) await row(id).getByRole("checkbox").check();
  const actions = page.getByRole("group", { name: "Chosen jobs" });
  await actions.getByText("3 chosen").waitFor();
  await actions.getByRole("button", { name: "Cancel" }).click();
  await row(running).getByText("cancelled").waitFor();
  await row(running).getByRole("checkbox").uncheck();
  await actions.getByRole("button", { name: "Export" }).click();
  const download = page.waitForEvent("download");
  await actions.getByRole("button", { name: /^CSV/ }).click();
  expect((await download).suggestedFilename()).toMatch(/^demo.*-[0-9a-f]{8}\.csv$/);
  await actions.getByRole("button", { name: "Delete" }).click();
  await page.getByText("2 jobs deleted.").waitFor();
  expect(await row(ids[0] ?? "").count()).toBe(0);
  await page.getByRole("button", { name: "Delete now" }).click();
  for (const id of ids) await expect.poll(async () => (await fetch(`${server.url}/v1/jobs/${id}`)).status).toBe(404);
  await context.close();
});

test("a plugin that raises shows as a warning with its count and frame, and the rest goes on", async () => {
  const { context, page } = await openPage(browser, server.url);
  await page.getByText("Live", { exact: true }).waitFor();
  const jobId = await server.submit(["careless", "motion"], { max_frames: 60 });
  await page.goto(`${server.url}/#/jobs/${jobId}`);
  await page.getByRole("log").getByText("ZeroDivisionError").waitFor();
  await server.ended(jobId);
  await page.getByText(/^done/).first().waitFor();
  await page.getByText("× 9").waitFor();
  expect(await page.getByRole("article", { name: "motion" }).getByText("completed").isVisible()).toBe(true);
  await page.reload();
  await page.getByRole("log").getByRole("button", { name: "frame 0", exact: true }).click();
  await page.locator('canvas[data-index="0"]').waitFor();
  await context.close();
});

test("a camera is watched live by its URL until the job is cancelled", async () => {
  const camera = await openCamera();
  const { context, page, faults } = await openPage(browser, server.url);
  await page.getByRole("radio", { name: "URL" }).check();
  await page.getByLabel("URL", { exact: true }).last().fill(`http://127.0.0.1:${camera.port}/video`);
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await expect.poll(() => shownIndex(page)).toBeGreaterThan(9);
  await page.getByText(/^running · \d+ frames · [\d.]+ fps · for \d+ s$/).waitFor();
  expect(await page.getByRole("progressbar").count(), "a stream has no end").toBe(0);
  expect(await page.title()).toMatch(/^running · video/);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText(/Cancelled: the job and all its processes/).waitFor();
  expect(faults).toEqual([]);
  await context.close();
  camera.close();
});

test("a camera that goes away is plainly away on its picture, and its job goes on when it is back", async () => {
  const camera = await openCamera();
  const jobId = await server.submit(["motion"], {}, { source: `http://127.0.0.1:${camera.port}/video` });
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await expect.poll(() => shownIndex(page)).toBeGreaterThan(4);
  camera.close();
  await page.getByText(/No picture since .*: .*, trying again/).first().waitFor();
  await page.getByText("reconnecting", { exact: true }).first().waitFor();
  const last = await shownIndex(page);
  await camera.open();
  await expect.poll(() => shownIndex(page)).toBeGreaterThan(last + 4);
  await page.getByText(/No picture since/).first().waitFor({ state: "detached" });
  await page.getByText("SOURCE_BACK").first().waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText(/Cancelled: the job and all its processes/).waitFor();
  expect(faults).toEqual([]);
  await context.close();
  camera.close();
});

/** A camera that shows a picture of one colour. */
async function openCamera(): Promise<Camera> {
  server.writePictures("view", 1, 255, 0, 0);
  const pictured = await server.submit(["motion"], {}, { source: "view" });
  await server.ended(pictured);
  const camera = new Camera(Buffer.from(await (await fetch(`${server.url}/v1/jobs/${pictured}/frames/0.jpg`)).arrayBuffer()));
  await camera.open();
  return camera;
}

const shownIndex = async (page: Page) => Number(await page.locator("canvas[data-index]").getAttribute("data-index"));

test("warnings lead from above the picture to their frames, and a card has traceback, output and result", async () => {
  const jobId = await server.submit(["careless", "talking", "scenes"], { max_frames: 20 });
  await server.ended(jobId);
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${jobId}?frame=9`);
  await page.locator('canvas[data-index="9"]').waitFor();
  await page.getByRole("group", { name: "Warnings" }).getByRole("button", { name: /^3 warnings of careless: ZeroDivisionError.*frame 0/ }).click();
  await page.locator('canvas[data-index="0"]').waitFor();
  const card = (name: string) => page.getByRole("article", { name });
  await card("careless").getByText("Traceback").click();
  await card("careless").getByRole("region", { name: "Traceback" }).getByText(/1 \/ \(frame\.index % 7\)/).waitFor();
  await card("talking").getByText("Output").click();
  await card("talking").getByText(/frame 19 it is/).waitFor();
  await card("scenes").getByRole("region", { name: "scenes" }).getByRole("row").nth(1).waitFor();
  await page.getByRole("figure", { name: /way of an average frame/ }).getByRole("listitem").nth(2).waitFor();
  expect(faults).toEqual([]);
  await context.close();
});

test("a job that hangs is cancelled, and the page says when that is done and how long it took", async () => {
  const jobId = await server.submit(["hanging"]);
  const { context, page } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await page.getByText(/^running/).first().waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText(/Cancelled: the job and all its processes were gone after \d+/).waitFor();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByText("See what each plugin finds, frame by frame").waitFor();
  const status = async () => (await fetch(`${server.url}/v1/jobs/${jobId}`)).status;
  expect(await status()).toBe(200);
  await page.getByRole("button", { name: "Undo" }).click();
  const row = page.locator(`.job-row[href="#/jobs/${jobId}"]`);
  await row.click();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("button", { name: "Delete now" }).click();
  await expect.poll(status).toBe(404);
  await context.close();
});

/** Open a job from the list, watch it for ten frames, and return the numbers found and the colours of its pictures. */
function seenAfterOpening(row: Locator): Promise<string[]> {
  return row.evaluate(async (link: HTMLElement) => {
    const before = document.querySelector("canvas[data-index]");
    link.click();
    const seen = new Set<string>();
    const frames = new Set<string>();
    while (frames.size < 10) {
      await new Promise(requestAnimationFrame);
      const canvas = document.querySelector<HTMLCanvasElement>("canvas[data-index]");
      if (!canvas || canvas === before) continue;
      const [red = 0, , blue = 0] = canvas.getContext("2d")?.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data ?? [];
      if (red + blue < 200) continue; // its picture has not arrived yet
      frames.add(canvas.dataset.index ?? "");
      seen.add(`${canvas.dataset.found} on ${red > blue ? "red" : "blue"}`);
    }
    return [...seen];
  });
}

test("the list shows two jobs running at once, and the view of each shows nothing of the other", async () => {
  server.writePictures("red", 500, 255, 0, 0);
  server.writePictures("blue", 400, 0, 0, 255);
  const red = await server.submit(["careless", "single"], {}, { source: "red" });
  const blue = await server.submit(["double"], {}, { source: "blue" });
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${red}`);
  await page.getByRole("log").getByText("ZeroDivisionError").waitFor();
  await page.getByRole("tab", { name: "All jobs" }).click();
  const row = (jobId: string) => page.locator(`.job-row[href="#/jobs/${jobId}"]`);
  await row(red).getByText("running").waitFor();
  await row(blue).getByText("running").waitFor();
  const cards = page.locator(".plugin-card h3");

  expect(await seenAfterOpening(row(blue))).toEqual(["2 on blue"]);
  expect(await cards.allTextContents()).toEqual(["double"]);
  await page.getByText(/^running · \d+% · \d+ of 400 frames/).waitFor();
  expect(await page.getByText("ZeroDivisionError").count()).toBe(0);

  expect(await seenAfterOpening(row(red))).toEqual(["1 on red"]);
  expect(await cards.allTextContents()).toEqual(["careless", "single"]);
  await page.getByText(/^running · \d+% · \d+ of 500 frames/).waitFor();
  await page.getByRole("log").getByText("ZeroDivisionError").waitFor();

  expect(faults).toEqual([]);
  await context.close();
  await server.post(`/v1/jobs/${red}/cancel`);
  await server.post(`/v1/jobs/${blue}/cancel`);
});

test("two windows show the same job, and each shows what the other does", async () => {
  const jobId = await server.submit(["slow"]);
  const first = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  const second = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await first.page.getByRole("button", { name: "Pause", exact: true }).click();
  await second.page.getByRole("button", { name: "Resume" }).click();
  await first.page.getByRole("button", { name: "Pause", exact: true }).waitFor();
  await second.page.getByRole("button", { name: "Cancel" }).click();
  await first.page.getByText(/^cancelled/).first().waitFor();
  await server.call(`/v1/jobs/${jobId}`, "DELETE");
  await first.page.getByRole("heading", { name: "This job was deleted" }).waitFor();
  await first.context.close();
  await second.context.close();
});

test("a job is run again, perhaps with changes, from the options that it ran with", async () => {
  const { context, page } = await openPage(browser, server.url);
  await page.getByRole("radio", { name: "URL" }).check();
  await page.getByLabel("URL", { exact: true }).last().fill(SOURCE);
  await page.getByRole("button", { name: "Options of people" }).click();
  await page.getByLabel("votes").fill("7");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByRole("button", { name: "Run again…" }).click();
  await page.getByText("1 set").waitFor();
  await page.getByRole("button", { name: "Options of people" }).click();
  expect(await page.getByLabel("votes").inputValue()).toBe("7");
  await page.getByRole("button", { name: "Cancel" }).click();
  await context.close();
});

test("the form keeps what was entered over other pages and a reload, and what it asks for goes when it is there", async () => {
  const { context, page } = await openPage(browser, server.url);
  await page.getByRole("radio", { name: "URL" }).check();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByText("Type a URL.").waitFor();
  await page.getByLabel("URL", { exact: true }).last().fill("http://camera.local/video");
  expect(await page.getByText("Type a URL.").count()).toBe(0);
  await page.getByRole("button", { name: "Remove scenes" }).click();
  await page.getByRole("button", { name: "Options of people" }).click();
  await page.getByLabel("votes").fill("9");
  for (const away of [() => page.reload(), async () => { await page.getByRole("link", { name: "Plugins" }).click(); await page.goBack(); }]) {
    await away();
    await page.getByText("1 set").waitFor();
    expect(await page.getByLabel("URL", { exact: true }).last().inputValue()).toBe("http://camera.local/video");
    expect(await page.locator(".chosen-name").allTextContents()).toEqual(["motion", "people", "tracker", "quality"]);
  }
  await page.getByText("Not available: broken.").waitFor();
  await context.close();
});

test("several files make several jobs", async () => {
  const { context, page } = await openPage(browser, server.url);
  await page.getByRole("radio", { name: "File" }).check();
  const picture = bitmap(64, 48, [0, 90, 90]);
  await page.locator("input[type=file]").setInputFiles(["one.bmp", "two.bmp"].map((name) => ({ name, mimeType: "image/bmp", buffer: picture })));
  await page.getByRole("button", { name: "Start 2 jobs" }).click();
  for (const name of ["one.bmp", "two.bmp"]) await page.locator(".job-row", { hasText: name }).first().waitFor();
  await context.close();
});

test("a refusal by the server is shown where the user asked", async () => {
  const { context, page } = await openPage(browser, server.url);
  await page.getByRole("radio", { name: "URL" }).check();
  await page.getByLabel("URL", { exact: true }).last().fill("https://example.com/clip.mp4");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByRole("alert").getByText(/Sources are not read from example.com here/).waitFor();
  await context.close();
});

test("the plugins page shows what each plugin gives, by a frame where it found something, and the range and unit of its options", async () => {
  const jobId = await server.submit(["motion", "single"], { max_frames: 6 });
  await server.ended(jobId);
  const { context, page, faults } = await openPage(browser, `${server.url}/#/plugins`);
  const single = page.getByRole("article", { name: "single" });
  await expect.poll(() => single.getByRole("img").evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(0);
  expect(await single.getByRole("link").getAttribute("href")).toMatch(/^#\/jobs\/[^?]+\?frame=\d+$/);
  const faces = page.getByRole("article", { name: "faces" });
  await faces.locator(".kind-picture").waitFor();
  await faces.getByText("boxes with a class, drawn on the picture").waitFor();
  await faces.getByText("4 options").click();
  await faces.getByText("A whole number from 1 to 4000 pixels; 40 by default.").waitFor();
  expect(faults).toEqual([]);
  await context.close();
});

test("the plugins page lists a broken plugin with its reason and traceback", async () => {
  await server.ended(await server.submit(["careless"], { max_frames: 1 }));
  const { context, page } = await openPage(browser, `${server.url}/#/plugins`);
  const broken = page.getByRole("article", { name: "broken" });
  await broken.getByText(/No module named 'torch_is_not_here'/).first().waitFor();
  await broken.getByText("Traceback").click();
  await broken.getByText(/import torch_is_not_here/).waitFor();
  await page.getByRole("region", { name: "Traceback" }).focus();
  const careless = page.getByRole("article", { name: "careless" });
  await careless.getByText(/^Last failure/).click();
  await careless.getByText(/1 \/ \(frame\.index % 7\)/).waitFor();
  await careless.getByRole("link", { name: "this job" }).waitFor();
  await page.getByRole("button", { name: "Search again" }).click();
  await page.getByText(/1 broken/).waitFor();
  await careless.getByText("ok", { exact: true }).waitFor();
  await context.close();
});
