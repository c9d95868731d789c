import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { writePlugins } from "./kit/plugins";
import { Server } from "./kit/server";

const server = new Server();
let browser: Browser;
let jobId = "";

beforeAll(async () => {
  writePlugins(server);
  await server.start();
  browser = await launch();
  jobId = await server.submit(["motion", "people", "tracker", "careless"], { max_frames: 24, stride: 5 });
  await server.ended(jobId);
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

/** Press Tab until the focus is on an element whose name matches. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  const passed: string[] = [];
  for (let i = 0; i < 120; i++) {
    await page.keyboard.press("Tab");
    const label = await page.evaluate(() => {
      const element = document.activeElement;
      return element?.getAttribute("aria-label") ?? element?.textContent ?? "";
    });
    if (name.test(label)) return;
    passed.push(label);
  }
  throw new Error(`Tab never came to ${String(name)}, only to ${passed.join(" · ")}`);
}

test("a job is set up, started, watched and cancelled by keyboard alone", async () => {
  const { context, page } = await openPage(browser, server.url);
  await page.getByRole("button", { name: "Remove scenes" }).waitFor();
  await tabTo(page, /^Remove scenes/);
  await page.keyboard.press("Enter");
  expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Remove quality");
  await tabTo(page, /^ ?slow/);
  await page.keyboard.press("Space");
  await tabTo(page, /^Move people/);
  await page.keyboard.press("ArrowUp");
  await page.getByText("people is now number 1 of 5.").waitFor();
  await tabTo(page, /^Start$/);
  await page.keyboard.press("Enter");
  await page.locator("canvas[data-index]").waitFor();
  await tabTo(page, /^Boxes/);
  await page.keyboard.press("Space");
  expect(await page.locator("#toggle-boxes").getAttribute("aria-pressed")).toBe("false");
  await tabTo(page, /^Cancel/);
  await page.keyboard.press("Enter");
  await page.getByText(/Cancelled: the job/).waitFor();
  await context.close();
});

test("choices are remembered: device, frames per second, theme and the view's switches", async () => {
  const { context, page } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await page.locator("#fps-slider").fill("12");
  await page.locator("#toggle-labels").click();
  await page.getByRole("tab", { name: "New job" }).click();
  await page.locator("#device-selector").selectOption("cpu");
  await page.getByRole("button", { name: /^Theme: auto/ }).click();
  await page.reload();
  expect(await page.locator("#fps-slider").inputValue()).toBe("12");
  expect(await page.locator("#toggle-labels").getAttribute("aria-pressed")).toBe("false");
  await page.getByRole("tab", { name: "New job" }).click();
  expect(await page.locator("#device-selector").inputValue()).toBe("cpu");
  expect(await page.locator("html").getAttribute("data-theme")).toBe("light");
  await context.close();
});

test("/demo shows what / shows: a job with its picture, its plugins and its results", async () => {
  const { context, page, faults } = await openPage(browser, `${server.url}/demo#/jobs/${jobId}`);
  const plain = await context.newPage();
  await plain.goto(`${server.url}/#/jobs/${jobId}`);
  for (const each of [page, plain]) await each.locator('canvas[data-found]:not([data-found="0"])').waitFor();
  const shown = () => page.locator("body").ariaSnapshot();
  await expect.poll(async () => (await shown()) === (await plain.locator("body").ariaSnapshot())).toBe(true);
  expect(await shown()).toContain('article "people"');
  await page.getByRole("link", { name: "Plugins" }).click();
  await page.getByRole("article", { name: "people" }).waitFor();
  expect(new URL(page.url()).pathname).toBe("/demo");
  expect(faults).toEqual([]);
  await context.close();
});

test("the watched picture fills the screen and returns, by its button and as on Escape", async () => {
  const { context, page } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await page.locator("canvas[data-index]").waitFor();
  const button = page.locator("#toggle-fullscreen");
  const isFull = () => page.evaluate(() => document.fullscreenElement?.querySelector("canvas[data-index]")?.clientWidth === window.innerWidth);
  // Escape is handled by the browser's window, which a headless browser does not have.
  const escape = () => page.evaluate(() => document.exitFullscreen());
  for (const leave of [() => button.click(), escape]) {
    expect(await isFull()).toBe(false);
    expect(await button.getAttribute("aria-label")).toBe("Fullscreen");
    await button.click();
    await expect.poll(isFull).toBe(true);
    await expect.poll(() => button.getAttribute("aria-label")).toBe("Leave fullscreen");
    await leave();
    await expect.poll(() => page.evaluate(() => document.fullscreenElement)).toBeNull();
    await expect.poll(() => button.getAttribute("aria-label")).toBe("Fullscreen");
  }
  await context.close();
});

/** The most animations and transitions that ran at once while the watched job advanced by five per cent. */
function mostMoving(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const progress = () => Number(document.querySelector("#progress-bar")?.getAttribute("aria-valuenow"));
    const start = progress();
    let most = 0;
    while (progress() < start + 5) {
      await new Promise(requestAnimationFrame);
      most = Math.max(most, document.getAnimations().length);
    }
    return most;
  });
}

test("with reduced motion nothing is animated, neither for a running job nor among all components", async () => {
  const slow = await server.submit(["slow"], { max_frames: 100 });
  const { context, page } = await openPage(browser, `${server.url}/#/jobs/${slow}`);
  await page.locator("canvas[data-index]").waitFor();
  expect(await mostMoving(page)).toBe(0);
  await page.emulateMedia({ reducedMotion: "no-preference" });
  expect(await mostMoving(page)).toBeGreaterThan(0);
  await server.post(`/v1/jobs/${slow}/cancel`);
  await page.goto(`${server.url}/ui-kit`);
  const moving = () => page.evaluate(() => document.getAnimations().length);
  await expect.poll(moving).toBeGreaterThan(0);
  await page.emulateMedia({ reducedMotion: "reduce" });
  expect(await moving()).toBe(0);
  await context.close();
});

test("the first load is at most 150 kB with its font, from this server alone, under a strict policy", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const hosts = new Set<string>();
  const bodies: Promise<Buffer>[] = [];
  page.on("response", (response) => {
    hosts.add(new URL(response.url()).host);
    if (/text|javascript|css|svg|font/.test(response.headers()["content-type"] ?? "")) bodies.push(response.body());
  });
  const response = await page.goto(server.url, { waitUntil: "networkidle" });
  expect(await page.evaluate(() => [...document.fonts].some((font) => font.family === "Geist" && font.status === "loaded"))).toBe(true);
  const sizes = (await Promise.all(bodies)).map((body) => gzipSync(body).length);
  expect([...hosts]).toEqual([new URL(server.url).host]);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(150_000);
  expect(response?.headers()["content-security-policy"]).toMatch(/default-src 'none'; script-src 'self'; style-src 'self'/);
  await context.close();
});
