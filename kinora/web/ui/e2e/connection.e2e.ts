import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { writePlugins } from "./kit/plugins";
import { Proxy } from "./kit/Proxy";
import { Server } from "./kit/server";

let browser: Browser;
let server: Server;

beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());
beforeEach(() => {
  server = new Server();
  writePlugins(server);
});
afterEach(() => server.stop());

test("a connection that was cut shows as reconnecting; then what was missed arrives", async () => {
  await server.start();
  const proxy = new Proxy(server.url);
  await proxy.open();
  const jobId = await server.submit(["slow", "careless"], { max_frames: 20 });
  await server.post(`/v1/jobs/${jobId}/pause`);
  const { context, page } = await openPage(browser, `${proxy.url}/#/jobs/${jobId}`);
  await page.getByText("Live", { exact: true }).first().waitFor();
  proxy.cut();
  await page.getByText(/^No connection since \d/).waitFor();
  await server.post(`/v1/jobs/${jobId}/resume`);
  await server.ended(jobId);
  expect(await page.getByText(/^done/).count()).toBe(0);
  proxy.mend();
  await page.getByText(/^done · 100% · 20 of 20 frames/).waitFor();
  await page.getByText("× 3").waitFor();
  await context.close();
  proxy.close();
});

test("after the server was killed and restarted, the page shows the true state again", async () => {
  await server.start();
  const jobId = await server.submit(["slow"], { max_frames: 30 });
  const { context, page } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await page.locator("canvas[data-index]").waitFor();
  await server.kill();
  await page.getByText(/^No connection since \d/).waitFor();
  await server.start();
  await page.locator('[data-state="CONNECTED"]').waitFor();
  await page.getByText("The server was restarted.").waitFor();
  await server.ended(jobId);
  await page.getByText(/^done · 100% · 30 of 30 frames/).waitFor();
  await page.getByText("The server was restarted.").waitFor({ state: "detached" });
  await page.goto(`${server.url}/#/jobs/no-such-job`);
  await page.getByRole("heading", { name: "There is no such job" }).waitFor();
  expect(await page.locator("canvas, #progress-bar").count()).toBe(0);
  await context.close();
});

test("without realtime the page polls, and says so", async () => {
  await server.start("--no-realtime");
  const jobId = await server.submit(["slow"], { max_frames: 25 });
  const { context, page } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await page.getByText("Not live: realtime is off").waitFor();
  await page.getByText(/^running · \d+%/).waitFor();
  await server.ended(jobId);
  await page.getByText(/^done · 100% · 25 of 25 frames/).waitFor();
  await page.locator("canvas[data-index]").waitFor();
  await context.close();
});
