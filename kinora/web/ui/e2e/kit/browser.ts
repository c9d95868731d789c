/** The system's Chromium. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const FOUND = NAMES.map((name) => join("/usr/bin", name)).find((path) => existsSync(path));
const CHROMIUM = process.env.CHROMIUM ?? FOUND ?? "/usr/bin/chromium";

export function launch(): Promise<Browser> {
  // Root, as in a container, must do without the sandbox; what is shown is our own page.
  return chromium.launch({ executablePath: CHROMIUM, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}

export interface Watched {
  context: BrowserContext;
  page: Page;
  /** What the page complained about: none of it is wanted. */
  faults: string[];
}

export interface Look {
  width?: number;
  height?: number;
  dark?: boolean;
}

export async function openPage(browser: Browser, url: string, { width = 1440, height = 900, dark = false }: Look = {}): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    // A connection that is cut on purpose is reported by the browser itself.
    if (message.type() === "error" && !/WebSocket|net::ERR|Failed to load resource/.test(message.text())) faults.push(message.text());
  });
  await page.goto(url);
  return { context, page, faults };
}
