/** Server and browser of the measurements; each file has its own, and is run alone by its name: `npm run measure -- table`. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import { launch } from "../kit/browser";
import { Server } from "../kit/server";
import type { Notes } from "./probe";

/** How often each figure is taken. */
export const ROUNDS = Number(process.env.ROUNDS ?? 2);
export const server = new Server();
export let browser: Browser;

/** Start the server, after `prepare` has written its plugins. */
export function serverFor(prepare: () => void): void {
  beforeAll(async () => {
    prepare();
    await server.start("--media-dir", server.folder);
    browser = await launch();
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });
}

/** A long frame, in ms: over 50, as three frames of a 60 Hz screen are at times reported as 50.1. */
export const isLong = (interval: number) => interval > 51;
export const longest = (notes: Notes) => Math.max(0, ...notes.longTasks);
