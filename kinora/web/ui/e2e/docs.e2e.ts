/** The JavaScript of the pages in docs/, run in a browser as it stands there. */
import { readFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { Server } from "./kit/server";

const DOCS = new URL("../../../../docs/", import.meta.url);
const TOLD_ADDRESS = "127.0.0.1:8000";
const server = new Server();
let browser: Browser;

beforeAll(async () => {
  await server.start();
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

/** All blocks of JavaScript on a page as one program, with the address of this server. */
async function program(page: string): Promise<string> {
  const text = await readFile(new URL(page, DOCS), "utf8");
  const blocks = [...text.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, block = ""]) => block);
  expect(blocks).not.toEqual([]);
  return `(async () => {\n${blocks.join("\n")}\n})()`.replaceAll(TOLD_ADDRESS, new URL(server.url).host);
}

test.each(["rest.md", "realtime.md"])("the programs of %s run to their end", async (name) => {
  const { context, page, faults } = await openPage(browser, server.url);
  await page.evaluate(await program(name));
  expect(faults).toEqual([]);
  await context.close();
});
