import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { writePlugins } from "./kit/plugins";
import { Server } from "./kit/server";
import { expectSound } from "./kit/sound";

const server = new Server();
let browser: Browser;

beforeAll(async () => {
  writePlugins(server);
  await server.start("--agents", "1", "--max-jobs", "1");
  browser = await launch();
}, 120_000);

afterAll(async () => {
  await browser.close();
  await server.stop();
});

test("an agent shows the job that it runs, and the job where it runs; another one waits and says for what", async () => {
  const running = await server.submit(["hanging"], { plugin_timeout_ms: 600_000 });
  const { context, page, faults } = await openPage(browser, `${server.url}/#/agents`);
  const agent = page.getByRole("article", { name: "local-1" });
  await agent.getByText("busy", { exact: true }).waitFor();
  await agent.getByText("All its places are taken.").waitFor();
  await agent.getByRole("meter", { name: "Memory" }).waitFor();
  await agent.getByText(/and its libraries/).click();
  await expectSound(page);
  await agent.getByRole("list", { name: "Its jobs" }).getByRole("link").click();
  expect(page.url()).toContain(running);
  await page.getByRole("region", { name: "Job", exact: true }).getByRole("link", { name: "local-1-1" }).waitFor();
  const waiting = await server.submit(["single"], { gpus: 64 });
  await page.goto(`${server.url}/#/jobs/${waiting}`);
  await page.getByText(/^It waits for an agent that suits it: local-1-1 /).first().waitFor();
  expect(faults).toEqual([]);
  await context.close();
});
