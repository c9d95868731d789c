/** The page under a path of a proxy. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { Server } from "./kit/server";

const PATH = "/kinora";
const server = new Server();
let browser: Browser;

beforeAll(async () => {
  await server.start("--root-path", PATH);
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

test("under a path the page starts a job, shows its frames live and names no address outside of it", async () => {
  const { context, page, faults } = await openPage(browser, "about:blank");
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("websocket", (socket) => asked.push(socket.url().replace("ws:", "http:")));
  await page.goto(server.url + PATH);
  await page.getByRole("button", { name: "Start" }).first().waitFor();
  const jobId = await server.submit(["motion"], { max_frames: 8 });
  await page.goto(`${server.url}${PATH}/#/jobs/${jobId}`);
  await page.locator("canvas[data-index]").waitFor();
  await server.ended(jobId);
  await page.goto(`${server.url}${PATH}/#/plugins`);
  await page.getByRole("article", { name: "motion" }).waitFor();
  await page.getByRole("link", { name: "API" }).click();
  await page.getByRole("heading", { name: "Kinora API" }).waitFor();
  await page.getByRole("link", { name: "Kinora" }).click();
  await page.waitForURL(`${server.url}${PATH}/`);
  const outside = asked.filter((url) => url.startsWith("http") && !url.startsWith(`${server.url}${PATH}/`));
  expect(outside).toEqual([`${server.url}${PATH}`]);
  expect(asked.some((url) => url.includes("/v1/realtime"))).toBe(true);
  expect(faults).toEqual([]);
  await context.close();
});
