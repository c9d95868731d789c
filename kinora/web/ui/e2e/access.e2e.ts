import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import type { AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { writePlugins } from "./kit/plugins";
import { Server } from "./kit/server";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const server = new Server();
let browser: Browser;
let jobId = "";

beforeAll(async () => {
  writePlugins(server);
  await server.start();
  browser = await launch();
  jobId = await server.submit(["motion", "people", "tracker", "careless"], { max_frames: 120 });
  await server.ended(jobId);
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const results = await page.evaluate(() => (window as unknown as { axe: { run: () => Promise<AxeResults> } }).axe.run());
  return results.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`);
}

const VIEWS: Record<string, [path: () => string, ready: (page: Page) => Promise<unknown>]> = {
  start: [() => "/", (page) => page.getByRole("button", { name: "Options of people" }).click()],
  job: [() => `/#/jobs/${jobId}`, (page) => page.locator("canvas[data-index]").waitFor()],
  jobs: [
    () => `/#/jobs/${jobId}`,
    async (page) => {
      if ((page.viewportSize()?.width ?? 0) < 700) await page.getByRole("radio", { name: "Start & jobs" }).check();
      await page.getByRole("tab", { name: "All jobs" }).click();
      await page.getByRole("link", { name: /motion/ }).first().waitFor();
    },
  ],
  plugins: [() => "/#/plugins", (page) => page.getByRole("article", { name: "broken" }).waitFor()],
  kit: [() => "/ui-kit", (page) => page.getByText("UI kit").waitFor()],
};

describe.each(Object.entries(VIEWS))("%s", (_name, [path, ready]) => {
  test.each([
    ["light, wide", { dark: false }],
    ["dark, wide", { dark: true }],
    ["light, phone", { dark: false, width: 360, height: 740 }],
    ["dark, phone", { dark: true, width: 360, height: 740 }],
  ])("axe finds nothing to complain about, and nothing is wider than the screen: %s", async (_look, look) => {
    const { context, page, faults } = await openPage(browser, server.url + path(), look);
    await ready(page);
    await page.waitForTimeout(300);
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
    expect(faults).toEqual([]);
    await context.close();
  });
});

test("a job is put together, started, watched and cancelled by keyboard alone", async () => {
  const { context, page } = await openPage(browser, server.url);
  const tabTo = async (name: RegExp) => {
    for (let i = 0; i < 80; i++) {
      await page.keyboard.press("Tab");
      const label = await page.evaluate(() => {
        const element = document.activeElement;
        return element?.getAttribute("aria-label") ?? element?.textContent ?? "";
      });
      if (name.test(label)) return;
    }
    throw new Error(`Tab never came to ${String(name)}`);
  };
  await page.getByRole("button", { name: "Remove scenes" }).waitFor();
  await tabTo(/^Remove scenes/);
  await page.keyboard.press("Enter");
  await tabTo(/^ ?slow/);
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: /^Move slow/ }).waitFor();
  await page.reload();
  await page.getByRole("button", { name: /^Move people/ }).waitFor();
  await tabTo(/^Move people/);
  await page.keyboard.press("ArrowUp");
  await page.getByText("people is now number 1 of 5.").waitFor();
  await tabTo(/^Start$/);
  await page.keyboard.press("Enter");
  await page.locator("canvas[data-index]").waitFor();
  await tabTo(/^Boxes/);
  await page.keyboard.press("Space");
  expect(await page.locator("#toggle-boxes").getAttribute("aria-pressed")).toBe("false");
  await tabTo(/^Cancel/);
  await page.keyboard.press("Enter");
  await page.getByText(/Cancelled: the job|It had already ended/).waitFor();
  await context.close();
});

test("choices are remembered: device, frames a second, theme and what is drawn", async () => {
  const { context, page } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await page.locator("#fps-slider").fill("12");
  await page.locator("#toggle-labels").click();
  await page.locator("#device-selector").selectOption("cpu");
  await page.getByRole("button", { name: /^Theme: auto/ }).click();
  await page.reload();
  expect(await page.locator("#fps-slider").inputValue()).toBe("12");
  expect(await page.locator("#toggle-labels").getAttribute("aria-pressed")).toBe("false");
  expect(await page.locator("#device-selector").inputValue()).toBe("cpu");
  expect(await page.locator("html").getAttribute("data-theme")).toBe("light");
  await context.close();
});

test("the first load is under 200 kB, from this server alone, under a strict policy", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const hosts = new Set<string>();
  const bodies: Promise<Buffer>[] = [];
  page.on("response", (response) => {
    hosts.add(new URL(response.url()).host);
    if (/text|javascript|css|svg/.test(response.headers()["content-type"] ?? "")) bodies.push(response.body());
  });
  const response = await page.goto(server.url, { waitUntil: "networkidle" });
  const sizes = (await Promise.all(bodies)).map((body) => gzipSync(body).length);
  expect([...hosts]).toEqual([new URL(server.url).host]);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(200_000);
  expect(response?.headers()["content-security-policy"]).toMatch(/default-src 'none'; script-src 'self'; style-src 'self'/);
  await context.close();
});
