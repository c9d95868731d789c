/** Starts the system's Chromium and opens pages in it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const FOUND = NAMES.map((name) => join("/usr/bin", name)).find((path) => existsSync(path));
const CHROMIUM = process.env.CHROMIUM ?? FOUND ?? "/usr/bin/chromium";

/** Start the browser, with these arguments besides. */
export function launch(...more: string[]): Promise<Browser> {
  // The sandbox does not work as root, as in a container; the browser shows only our own page.
  return chromium.launch({ executablePath: CHROMIUM, args: [...(process.getuid?.() === 0 ? ["--no-sandbox"] : []), ...more] });
}

export interface Watched {
  context: BrowserContext;
  page: Page;
  /** The page's errors and warnings; tests expect none. */
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
    // The browser itself reports a connection that a test cuts on purpose.
    if (message.type() === "error" && !/WebSocket|net::ERR|Failed to load resource/.test(message.text())) faults.push(message.text());
  });
  await page.goto(url);
  return { context, page, faults };
}
