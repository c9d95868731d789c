/** Nothing that the user has entered, sent or asked for is lost, and all jobs are found. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bitmap } from "./kit/bitmap";
import { launch, openPage } from "./kit/browser";
import { throttle } from "./kit/network";
import { writePlugins } from "./kit/plugins";
import { Server } from "./kit/server";

/** More than a page of the list, and fewer than may wait. */
const MANY = 56;
const server = new Server();
let browser: Browser;

beforeAll(async () => {
  writePlugins(server);
  server.writePlugin("lacking", `raise ImportError("rapidocr is not installed: pip install 'kinora[ocr]'")`);
  for (const folder of ["holidays", "seaside", "mountains"]) server.writePictures(folder, 3, 0, 90, 90);
  await server.start("--max-jobs", "1");
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

/** The number of jobs on this source. */
const number = async (source: string) => (await server.get<{ jobs: unknown[] }>(`/v1/jobs?q=${source}`)).jobs.length;

/** The id of a job that has ended, in which something moved. */
async function demoJob(): Promise<string> {
  const jobId = await server.submit(["motion"], { max_frames: 30 }, { source: "demo:" });
  await server.ended(jobId);
  return jobId;
}

const file = (name: string, size: number) => ({ name, mimeType: "image/bmp", buffer: Buffer.concat([bitmap(64, 48, [0, 90, 90]), Buffer.alloc(size)]) });

test("a file that is being sent shows how far it is, on other pages too, and can be cancelled; several that are dropped make several jobs", async () => {
  const { context, page, faults } = await openPage(browser, server.url);
  await throttle(page, { up: 200_000 });
  await page.getByRole("radio", { name: "File" }).check();
  await page.locator("input[type=file]").setInputFiles([file("large.bmp", 4_000_000)]);
  await page.getByRole("button", { name: "Start", exact: true }).click();
  const share = async () => Number(await page.getByRole("progressbar", { name: "Sending large.bmp" }).getAttribute("value"));
  await expect.poll(share).toBeGreaterThan(0);
  await page.getByRole("link", { name: "Plugins" }).click();
  await page.getByRole("heading", { name: "Plugins" }).waitFor();
  await page.goBack();
  const before = await share();
  await expect.poll(share).toBeGreaterThan(before);
  await page.getByRole("button", { name: "Cancel sending" }).click();
  await page.getByRole("button", { name: "Start", exact: true }).waitFor();
  expect(await number("large.bmp")).toBe(0);
  await throttle(page, {});
  const dropped = await page.evaluateHandle((bytes) => {
    const transfer = new DataTransfer();
    for (const name of ["one.bmp", "two.bmp"]) transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/bmp" }));
    return transfer;
  }, [...bitmap(64, 48, [0, 90, 90])]);
  await page.locator(".welcome").dispatchEvent("drop", { dataTransfer: dropped });
  await page.getByRole("button", { name: "Start 2 jobs" }).click();
  for (const name of ["one.bmp", "two.bmp"]) await page.locator(".job-row", { hasText: name }).getByText("done").waitFor();
  expect(await Promise.all(["one.bmp", "two.bmp"].map(number))).toEqual([1, 1]);
  expect(faults).toEqual([]);
  await context.close();
});

test("a folder of images is chosen; the form folds away when its job runs, and comes back with all that was entered", async () => {
  const { context, page, faults } = await openPage(browser, server.url);
  await page.getByRole("radio", { name: "Folder" }).check();
  await page.getByRole("radio", { name: /holidays 3 images/ }).check();
  for (const name of ["people", "tracker"]) await page.getByRole("button", { name: `Remove ${name}` }).click();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByText(/^done · 100% · 3 of 3 frames/).waitFor();
  expect(await page.getByRole("form", { name: "New job" }).isVisible()).toBe(false);
  await page.getByText(/^100\d\.bmp · frame \d$/).waitFor();
  await page.getByRole("tab", { name: "New job" }).click();
  expect(await page.getByRole("radio", { name: /holidays 3 images/ }).isChecked()).toBe(true);
  expect(await page.locator(".chosen-name").allTextContents()).toEqual(["motion", "quality", "scenes"]);
  expect(faults).toEqual([]);
  await context.close();
});

test("a video that is being made can be cancelled and made again, and is named after its source", async () => {
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${await demoJob()}`);
  const downloads: string[] = [];
  page.on("download", (download) => downloads.push(download.suggestedFilename()));
  const ask = async () => {
    if (!(await page.getByRole("button", { name: /^MP4/ }).isVisible())) await page.getByRole("button", { name: "Download" }).click();
    await page.getByRole("button", { name: /^MP4/ }).click();
  };
  await page.locator("canvas[data-index]").waitFor();
  await ask();
  await page.getByText(/^MP4: (being made|waiting|\d+% made)/).waitFor();
  await page.getByRole("button", { name: "Cancel the MP4 download" }).click();
  await page.getByText(/^MP4: /).waitFor({ state: "detached" });
  expect(downloads).toEqual([]);
  await ask();
  await expect.poll(() => downloads).toEqual([expect.stringMatching(/^demo.*\.mp4$/)]);
  expect(faults).toEqual([]);
  await context.close();
});

test("the plugins page: what lacks an extra is not called broken, and options are told with kind, range and default", async () => {
  await demoJob();
  const { context, page, faults } = await openPage(browser, `${server.url}/#/plugins`);
  const lacking = page.getByRole("article", { name: "lacking" });
  await lacking.getByText("not installed", { exact: true }).waitFor();
  await lacking.getByText("pip install 'kinora[ocr]'").waitFor();
  expect(await lacking.locator(".bad, .bad-text").count()).toBe(0);
  await page.getByText(/1 not installed, and 1 broken$/).waitFor();
  const people = page.getByRole("article", { name: "people" });
  await people.getByText("3 options").click();
  await people.getByText(/whole number from 128 to 1920.*; 288 by default/).waitFor();
  await people.getByText("boxes with a class, drawn on the picture").waitFor();
  expect(await people.locator(".plugin-picture svg").isVisible()).toBe(true);
  await page.getByRole("article", { name: "motion" }).getByRole("img", { name: /^What motion found in demo/ }).waitFor();
  expect(faults).toEqual([]);
  await context.close();
});

/** The number of jobs that the list says to have. */
const listed = async (page: Page) => Number(await page.locator(".job-list li").first().getAttribute("aria-setsize"));

test("of more jobs than the list has loaded, the server finds those of a status or with a word, and the rest comes by scrolling", async () => {
  for (const source of ["seaside", "mountains"]) await server.ended(await server.submit(["single"], {}, { source }));
  const hanging = await server.submit(["hanging"], {}, { source: "holidays" });
  const waiting = await Promise.all(Array.from({ length: MANY }, () => server.submit(["single"], {}, { source: "holidays" })));
  const { context, page, faults } = await openPage(browser, server.url);
  await page.getByRole("tab", { name: "All jobs" }).click();
  const rows = page.getByRole("region", { name: "Jobs, newest first" });
  await rows.getByText(/number \d+ in the queue/).first().waitFor();
  expect(await listed(page)).toBeLessThan(MANY);
  expect(await page.locator(".job-row", { hasText: "seaside" }).count()).toBe(0);
  await page.getByLabel("Status of the jobs").selectOption("done");
  await page.locator(".job-row", { hasText: "seaside" }).waitFor();
  await page.getByLabel("Status of the jobs").selectOption("all");
  await page.getByRole("searchbox", { name: "Search jobs" }).fill("mountains");
  await page.locator(".job-row", { hasText: "mountains" }).waitFor();
  await expect.poll(() => listed(page)).toBe(1);
  await page.getByRole("searchbox", { name: "Search jobs" }).fill("");
  await expect.poll(() => listed(page)).toBeGreaterThan(40);
  await expect.poll(async () => {
    await rows.evaluate((box) => box.scrollTo(0, box.scrollHeight));
    return listed(page);
  }).toBeGreaterThan(MANY);
  expect(faults).toEqual([]);
  await context.close();
  await Promise.all([...waiting, hanging].map((id) => server.post(`/v1/jobs/${id}/cancel`)));
});
