/** What a page holds in memory after an hour of messages: `HOUR=1 npm run measure -- hour`, seven minutes. */
import { test } from "vitest";
import { openPage } from "../kit/browser";
import { browser, server, serverFor } from "./bench";
import { printTable } from "./figures";
import { MemoryMeter, type Memory } from "./memory";
import { makeClip, writeBoxes } from "./source";

serverFor(() => {
  for (const name of ["red", "green"]) writeBoxes(server, name);
});

test.runIf(process.env.HOUR)("an hour's messages go through the page", async () => {
  const frames = 108_000;
  makeClip(server, "hour.mp4", { frames, width: 64, height: 48 });
  const { context, page } = await openPage(browser, "about:blank");
  await page.addInitScript(takeAll);
  const jobId = await server.submit(["red", "green"], {}, { source: "hour.mp4" });
  await page.goto(`${server.url}/#/jobs/${jobId}`);
  const meter = await MemoryMeter.of(page);
  const readings: { received: number; memory: Memory }[] = [];
  const read = async () => readings.push({ received: await page.evaluate(() => window.received), memory: await meter.read() });
  for (let next = 10_000; next < frames; next += 10_000) {
    while ((await server.state()).frames_done < next) await page.waitForTimeout(200);
    await read();
  }
  await page.getByText(/^done/).first().waitFor({ timeout: 0 });
  await read();
  await context.close();
  printTable(["frame messages", "heap, MB", "buffers, MB", "DOM nodes", "listeners"], readings.map(({ received, memory }) => [
    received.toLocaleString("en"),
    memory.heapMB.toFixed(2),
    memory.buffersMB.toFixed(2),
    String(memory.nodes),
    String(memory.listeners),
  ]));
});

declare global {
  interface Window {
    /** The number of frame messages. */
    received: number;
  }
}

/** Make the page receive every frame, at any pace, and count the messages. */
function takeAll(): void {
  window.received = 0;
  window.WebSocket = class extends WebSocket {
    constructor(address: string | URL) {
      const url = new URL(address);
      url.searchParams.delete("max_fps");
      super(url);
      this.addEventListener("message", ({ data }) => {
        if (typeof data === "string" && data.includes('"type":"frame"')) window.received += 1;
      });
    }
  };
}
