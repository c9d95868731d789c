import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { writePlugins } from "./kit/plugins";
import { Proxy } from "./kit/Proxy";
import { Server } from "./kit/server";
import { expectSound, PHONE } from "./kit/sound";

const server = new Server();
let proxy: Proxy;
let browser: Browser;
const jobs = { done: "", running: "", queued: "", failed: "" };

beforeAll(async () => {
  writePlugins(server);
  server.writePictures("gone", 3, 0, 90, 90);
  await server.start("--max-jobs", "1");
  proxy = new Proxy(server.url);
  await proxy.open();
  browser = await launch();
  jobs.done = await server.submit(["motion", "people", "tracker", "careless", "talking", "scenes"], { max_frames: 24, stride: 5 });
  await server.ended(jobs.done);
  jobs.running = await server.submit(["hanging", "single"], { plugin_timeout_ms: 600_000 });
  jobs.failed = await server.submit(["single"], {}, { source: "gone" });
  jobs.queued = await server.submit(["single"]);
}, 120_000);

afterAll(async () => {
  proxy.close();
  await browser.close();
  await server.stop();
});

const unfold = (page: Page) => page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
const job = (id: keyof typeof jobs) => () => `/#/jobs/${jobs[id]}`;

test("before the first job, the page and its list have no fault", async () => {
  const fresh = new Server();
  await fresh.start();
  onTestFinished(() => fresh.stop());
  const { context, page, faults } = await openPage(browser, fresh.url);
  await page.getByRole("tab", { name: "All jobs" }).click();
  await page.getByText("No jobs yet.").waitFor();
  await expectSound(page);
  expect(faults).toEqual([]);
  await context.close();
});

const VIEWS: Record<string, [path: () => string, ready: (page: Page) => Promise<unknown>]> = {
  "the form, its options open": [
    () => "/",
    async (page) => {
      for (const plugin of ["motion", "people", "quality"]) await page.getByRole("button", { name: `Options of ${plugin}` }).click();
      await unfold(page);
    },
  ],
  "the form, a folder": [
    () => "/",
    async (page) => {
      await page.getByRole("radio", { name: "Folder" }).check();
      await page.getByRole("radio", { name: /^gone/ }).check();
    },
  ],
  "the form, a file and what is missing": [
    () => "/",
    async (page) => {
      await page.getByRole("radio", { name: "File" }).check();
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await page.getByRole("alert").waitFor();
    },
  ],
  "a finished job, all opened": [
    job("done"),
    async (page) => {
      await page.locator('canvas[data-found]:not([data-found="0"])').waitFor();
      await page.getByRole("region", { name: "This frame", exact: true }).getByRole("button").first().click();
      await unfold(page);
      await page.getByRole("region", { name: "Traceback" }).waitFor();
      await page.getByText(/frame 115 it is/).waitFor();
      await page.locator("#toggle-radar").click();
      await page.locator("#toggle-filters").click();
    },
  ],
  "a running job": [job("running"), (page) => page.getByText(/^running/).first().waitFor()],
  "a queued job, with the downloads and the field for a place": [
    job("queued"),
    async (page) => {
      await page.getByText("Number 2 in the queue.").waitFor();
      await page.locator("#jump").click();
      await page.getByRole("button", { name: "Download" }).click();
    },
  ],
  "the keys": [
    job("queued"),
    async (page) => {
      await page.getByText("Number 2 in the queue.").waitFor();
      await page.keyboard.press("?");
      await page.getByRole("dialog").waitFor();
    },
  ],
  "the list of jobs, two chosen": [
    () => "/",
    async (page) => {
      await page.getByRole("tab", { name: "All jobs" }).click();
      for (const at of [0, 1]) await page.getByRole("checkbox", { name: /^Choose/ }).nth(at).check();
      await page.getByRole("button", { name: "Export" }).click();
    },
  ],
  "a list without a match": [
    () => "/",
    async (page) => {
      await page.getByRole("tab", { name: "All jobs" }).click();
      await page.getByLabel("Status of the jobs").selectOption("interrupted");
      await page.getByText("No jobs match.").waitFor();
    },
  ],
  "an unknown job": [() => "/#/jobs/none", (page) => page.getByRole("heading", { name: "There is no such job" }).waitFor()],
  "a deleted job": [
    job("done"),
    async (page) => {
      await page.getByRole("button", { name: "Delete", exact: true }).click();
      await page.getByText("1 job deleted.").waitFor();
    },
  ],
  "the plugins, all opened": [
    () => "/#/plugins",
    async (page) => {
      await page.getByRole("article", { name: "broken" }).waitFor();
      await unfold(page);
      await page.getByText(/import torch_is_not_here/).waitFor();
    },
  ],
  "the agents of a server without any": [() => "/#/agents", (page) => page.getByText("kinora serve --agents 2").waitFor()],
  "the API's page": [() => "/docs", (page) => page.getByText('"source": "demo:"').first().waitFor()],
  "the kit": [() => "/ui-kit", (page) => page.getByText("UI kit").waitFor()],
};

test.each(Object.entries(VIEWS))("axe finds no fault in %s, light and dark, and on a phone all fits the screen and a finger", async (name, [path, ready]) => {
  const { context, page, faults } = await openPage(browser, server.url + path());
  await ready(page);
  await expectSound(page);
  if (name === "a deleted job") await page.getByRole("button", { name: "Undo" }).click();
  expect(faults).toEqual([]);
  await context.close();
});

test("on a phone, a running job that a link leads to has its state, its actions and its picture in view, without scrolling", async () => {
  const { context, page, faults } = await openPage(browser, server.url, PHONE);
  await page.evaluate((link) => (location.hash = link), `#/jobs/${jobs.running}`);
  const region = page.getByRole("region", { name: "Job", exact: true });
  for (const seen of [region.getByText("running", { exact: true }), region.getByRole("button", { name: "Cancel" }), page.locator(".frame-renderer")]) {
    await seen.waitFor();
    const box = await seen.boundingBox();
    expect((box?.y ?? Infinity) + (box?.height ?? 0)).toBeLessThanOrEqual(PHONE.height);
  }
  expect(await page.evaluate(() => window.scrollY)).toBe(0);
  expect(faults).toEqual([]);
  await context.close();
});

test("without a server the page says since when, and when it tries again; that goes with the fault", async () => {
  const { context, page, faults } = await openPage(browser, `${proxy.url}/#/jobs/${jobs.queued}`);
  await page.locator('[data-state="CONNECTED"]').waitFor();
  proxy.cut();
  await page.getByText(/^No connection since \d{2}:\d{2}/).waitFor();
  await page.getByText(/^trying again in \d+ s$/).waitFor();
  expect(await page.getByText(/polling/i).count()).toBe(0);
  await expectSound(page);
  proxy.mend();
  await page.locator('[data-state="CONNECTED"]').waitFor();
  expect(await page.getByText(/No connection|trying again/).count()).toBe(0);
  expect(faults).toEqual([]);
  await context.close();
});

test("a job that waits says its place and offers nothing live; one that failed says why where its picture would be", async () => {
  const { context, page, faults } = await openPage(browser, server.url + job("queued")());
  const stage = page.locator(".frame-renderer");
  await stage.getByText("Number 2 in the queue.").waitFor();
  await expect.poll(() => page.title()).toMatch(/^queued · /);
  expect(await page.getByRole("region", { name: "Job", exact: true }).textContent()).not.toMatch(/began|begun|took/i);
  expect(await page.getByRole("button", { name: "Live" }).count()).toBe(0);
  expect(await page.getByRole("button", { name: "Play", exact: true }).isDisabled()).toBe(true);
  server.removePictures("gone");
  await server.post(`/v1/jobs/${jobs.running}/cancel`);
  await server.ended(jobs.failed);
  await page.goto(server.url + job("failed")());
  await stage.getByText("The job ended before its first frame: failed.").waitFor();
  await stage.getByText(/gone/).waitFor();
  expect(await page.getByText(/gone does not exist/).count(), "it is said once").toBe(1);
  await page.getByText("No frames were stored.").waitFor();
  expect(await page.getByRole("button", { name: "Play", exact: true }).isDisabled()).toBe(true);
  await expect.poll(() => page.title()).toMatch(/^failed · /);
  await expectSound(page);
  expect(faults).toEqual([]);
  await context.close();
});
