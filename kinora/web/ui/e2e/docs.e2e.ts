/** The JavaScript of the pages in docs/, run in a browser as it stands there. */
import { readdirSync, readFileSync } from "node:fs";
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

/** The blocks of JavaScript on a page, but for those with imports: they are for Node.js, and tests/docs runs them. */
function blocks(page: string): string[] {
  const text = readFileSync(new URL(page, DOCS), "utf8");
  return [...text.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, block = ""]) => block).filter((block) => !block.startsWith("import"));
}

/** All of them as one program, with the address of this server. */
function program(page: string): string {
  return `(async () => {\n${blocks(page).join("\n")}\n})()`.replaceAll(TOLD_ADDRESS, new URL(server.url).host);
}

const pages = readdirSync(DOCS).filter((name) => name.endsWith(".md") && blocks(name).length > 0);

test.each(pages)("the programs of %s run to their end", async (name) => {
  const { context, page, faults } = await openPage(browser, server.url);
  await page.evaluate(program(name));
  expect(faults).toEqual([]);
  await context.close();
});
