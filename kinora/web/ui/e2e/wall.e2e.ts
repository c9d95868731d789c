import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { Camera } from "./kit/Camera";
import { writePlugins } from "./kit/plugins";
import { Server } from "./kit/server";
import { expectSound, PHONE } from "./kit/sound";

const server = new Server();
let camera: Camera;
let browser: Browser;

beforeAll(async () => {
  writePlugins(server);
  server.writePictures("view", 1, 255, 0, 0);
  await server.start("--max-jobs", "16", "--url-hosts", "127.0.0.1");
  browser = await launch();
  const pictured = await server.submit(["motion"], {}, { source: "view" });
  await server.ended(pictured);
  camera = new Camera(Buffer.from(await (await fetch(`${server.url}/v1/jobs/${pictured}/frames/0.jpg`)).arrayBuffer()));
  await camera.open();
});

afterAll(async () => {
  await browser.close();
  camera.close();
  await server.stop();
});

const watch = () => server.submit(["walker"], {}, { source: `http://127.0.0.1:${camera.port}/door` });
const tiles = (page: Page) => page.getByRole("list", { name: "Running jobs" }).getByRole("link");
const pictured = (page: Page) => page.locator(".tile canvas[data-index]");
const indexOf = async (page: Page, at: number) => Number(await pictured(page).nth(at).getAttribute("data-index"));

test("the wall shows each running job with its picture, boxes and pace, and a click leads to the job", async () => {
  const { context, page, faults } = await openPage(browser, server.url);
  await page.getByRole("link", { name: "Wall" }).click();
  await page.getByText("No job is running.").waitFor();
  await expectSound(page);
  await page.setViewportSize({ width: 1440, height: 900 });
  const first = await watch();
  await expect.poll(() => indexOf(page, 0)).toBeGreaterThan(5);
  expect(await pictured(page).first().getAttribute("data-found")).toBe("1");
  await tiles(page).filter({ hasText: /door.*running.*\d+\.\d fps/ }).waitFor();
  await page.getByText("1 job running").waitFor();
  expect(await page.getByText("%").count(), "a camera has no end").toBe(0);
  const others = [await watch(), await watch(), await watch()];
  await expect.poll(() => pictured(page).count()).toBe(4);
  const before = await indexOf(page, 3);
  await expect.poll(() => indexOf(page, 3)).toBeGreaterThan(before + 5);
  const boxes = await Promise.all([0, 1, 2, 3].map((at) => tiles(page).nth(at).boundingBox()));
  for (const box of boxes) expect((box?.y ?? Infinity) + (box?.height ?? 0), "all in the window").toBeLessThanOrEqual(900);
  await server.post(`/v1/jobs/${others[0]}/cancel`);
  await expect.poll(() => tiles(page).count()).toBe(3);
  await expectSound(page);
  await page.locator(`.tile[href="#/jobs/${first}"]`).click();
  await page.getByRole("region", { name: "Job", exact: true }).getByText("running").waitFor();
  for (const id of [first, ...others]) await server.post(`/v1/jobs/${id}/cancel`);
  expect(faults).toEqual([]);
  await context.close();
});

test("of sixteen jobs all are seen at once on a wide screen, and on a phone only those in view are sent", async () => {
  const ids = await Promise.all(Array.from({ length: 16 }, watch));
  const { context, page, faults } = await openPage(browser, `${server.url}/#/wall`);
  await expect.poll(() => pictured(page).count()).toBe(16);
  for (const at of [0, 15]) {
    const box = await tiles(page).nth(at).boundingBox();
    expect((box?.y ?? Infinity) + (box?.height ?? 0)).toBeLessThanOrEqual(900);
  }
  await expectSound(page);
  await page.setViewportSize(PHONE);
  await page.reload();
  await expect.poll(() => pictured(page).count()).toBeGreaterThan(3);
  const before = await indexOf(page, 0);
  await expect.poll(() => indexOf(page, 0)).toBeGreaterThan(before + 5);
  expect(await pictured(page).count(), "meanwhile, of the tiles out of view").toBeLessThan(16);
  await tiles(page).last().scrollIntoViewIfNeeded();
  await page.locator(".tile").last().locator("canvas[data-index]").waitFor();
  for (const id of ids) await server.post(`/v1/jobs/${id}/cancel`);
  await page.getByText("No job is running.").waitFor();
  expect(faults).toEqual([]);
  await context.close();
});
