/** Slows a page's network down, so that what takes long elsewhere takes long here. */
import type { Page } from "playwright-core";

/** The bytes per second that the page may send and receive; -1 for any number. */
export async function throttle(page: Page, { up = -1, down = -1 }: { up?: number; down?: number }): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", { offline: false, latency: 0, uploadThroughput: up, downloadThroughput: down });
}
