/** Makes screenshots of each view, light and dark, wide, at 200 %, huge and phone: `npm run shots`, into SHOTS or /tmp/kinora-shots. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { CATALOGUE } from "./kit/plugins";
import { Server, SOURCE } from "./kit/server";

const FOLDER = process.env.SHOTS ?? "/tmp/kinora-shots";
const SIZES = {
  wide: { width: 1440, height: 900 },
  /** The wide one at 200 %. */
  zoomed: { width: 720, height: 450 },
  phone: { width: 390, height: 844 },
  huge: { width: 2560, height: 1440 },
} as const;

const server = new Server();
let browser: Browser;

beforeAll(async () => {
  mkdirSync(FOLDER, { recursive: true });
  server.writePlugin("careless", "@tool('careless')\ndef careless(frame):\n    return {'share': 1 / (frame.index % 7)}");
  server.writePlugin("slow", "@tool('slow')\ndef slow(frame):\n    time.sleep(0.08)\n    return None");
  server.writePictures("gone", 3, 0, 90, 90);
  server.writePlugin("catalogue", CATALOGUE);
  server.writePlugin("broken", "import torch_is_not_here");
  // Nobody listens there; what is kept of its events is on the pictures all the same.
  const config = '[webhooks.kept]\nurl = "http://127.0.0.1:9/"\nevents = ["entered", "left", "crossed"]\nclip = {before_s = 2, after_s = 4}\n';
  await server.start("--config", server.writeFile("kinora.toml", config));
  browser = await launch("--use-fake-device-for-media-stream");
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

async function shoot(name: string, path: string, prepare: (page: Page) => Promise<unknown>, sizes: (keyof typeof SIZES)[]): Promise<void> {
  for (const size of sizes) {
    for (const dark of size === "huge" ? [true] : [false, true]) {
      const { context, page } = await openPage(browser, new URL(path, server.url).href, { ...SIZES[size], dark });
      await prepare(page);
      await page.waitForTimeout(500);
      await page.screenshot({ path: join(FOLDER, `${name}-${size}-${dark ? "dark" : "light"}.png`), fullPage: size === "phone" || size === "zoomed" });
      await context.close();
    }
  }
}

test("screenshots of each view", async () => {
  const all = Object.keys(SIZES) as (keyof typeof SIZES)[];
  await shoot("start", "/", (page) => page.getByRole("button", { name: "Options of people" }).click(), all);
  const running = await server.submit(["motion", "people", "tracker", "quality", "careless", "slow"], { stride: 2 });
  await shoot("running", `/#/jobs/${running}`, async (page) => {
    await page.locator('canvas[data-found]:not([data-found="0"])').waitFor();
    await page.getByRole("button", { name: "Map of the tracks" }).click();
    await page.waitForTimeout(2500);
  }, ["wide"]);
  await shoot("running", `/#/jobs/${running}`, (page) => page.locator('canvas[data-found]:not([data-found="0"])').waitFor(), ["phone"]);
  const other = await server.submit(["slow"]);
  const failed = await server.submit(["quality"], {}, { source: "gone" });
  await shoot("queued", `/#/jobs/${failed}`, (page) => page.getByText("Next in the queue").waitFor(), ["wide"]);
  server.removePictures("gone");
  for (const job of [running, other]) await server.post(`/v1/jobs/${job}/cancel`);
  await server.ended(failed);
  const done = await server.submit(["motion", "people", "tracker", "quality", "scenes", "careless"], { stride: 4 });
  await server.ended(done);
  await server.submit(["quality", "colors"], {}, { source: "demo:" });
  const lookBack = async (page: Page) => {
    await page.locator("canvas[data-index]").waitFor();
    await page.getByRole("slider", { name: "Frame", exact: true }).fill("40");
    await page.getByRole("button", { name: "Map of the tracks" }).click();
    await page.locator('canvas[data-index="160"]').waitFor();
  };
  await shoot("finished", `/#/jobs/${done}`, lookBack, all);
  await shoot("jobs", `/#/jobs/${done}`, async (page) => {
    if ((page.viewportSize()?.width ?? 0) < 740) await page.getByLabel("Start & jobs").check();
    await page.getByRole("tab", { name: "All jobs" }).click();
  }, ["wide", "phone"]);
  await shoot("downloads", `/#/jobs/${done}`, async (page) => {
    await lookBack(page);
    await page.getByRole("button", { name: "Download" }).click();
  }, ["wide", "phone"]);
  await shoot("keys", `/#/jobs/${done}`, async (page) => {
    await lookBack(page);
    await page.keyboard.press("?");
  }, ["wide"]);
  await shoot("deleted", "/", async (page) => {
    const gone = await server.submit(["quality"], { max_frames: 2 });
    await server.ended(gone);
    await page.goto(`${server.url}/#/jobs/${gone}`);
    await page.locator("canvas[data-index]").waitFor();
    await server.call(`/v1/jobs/${gone}`, "DELETE");
    await page.getByText("This job was deleted").waitFor();
  }, ["wide", "phone"]);
  await shoot("plugins", "/#/plugins", (page) => page.getByText("Traceback").click(), ["wide", "phone", "zoomed"]);
  await shoot("agents-none", "/#/agents", (page) => page.getByText("kinora serve --agents 2").waitFor(), ["wide", "phone"]);
  await shoot("drawn", `/#/jobs/${done}`, async (page) => {
    await page.locator("canvas[data-index]").waitFor();
    await page.getByRole("slider", { name: "Frame", exact: true }).fill("40");
    await page.getByRole("region", { name: "This frame", exact: true }).getByRole("button").first().click();
    await page.locator("#toggle-filters").click();
  }, ["wide", "phone"]);
  await shoot("failed", `/#/jobs/${failed}`, (page) => page.locator(".stage-fault").waitFor(), ["wide", "phone"]);
  await shoot("unknown", "/#/jobs/none", (page) => page.getByText("There is no such job").waitFor(), ["wide"]);
  await shoot("api", "/docs", () => Promise.resolve(), ["wide"]);
  await shoot("kit", "/ui-kit", () => Promise.resolve(), ["wide", "phone"]);
  console.log(`Screenshots of ${SOURCE} are in ${FOLDER}`);
});

test("screenshots of all that a result may have", async () => {
  const job = await server.submit(["catalogue"], { stride: 4 });
  await server.ended(job);
  await shoot("catalogue", `/#/jobs/${job}?frame=40`, (page) => page.locator('canvas[data-index="40"]').waitFor(), ["wide", "phone"]);
});

test("screenshots of the zone editor, of events and of clips", async () => {
  const zones = [{ name: "table", polygon: [[60, 20], [620, 20], [620, 430], [60, 430]] }];
  const lines = [{ name: "door", line: [[60, 330], [620, 300]] }];
  const job = await server.submit(["people", "tracker", { name: "zones", options: { zones, lines } }], { max_frames: 400 });
  await server.ended(job);
  await expect.poll(() => clipsOf(job), { timeout: 60_000 }).toBeGreaterThan(0);
  await shoot("events", `/#/jobs/${job}?frame=100`, (page) => page.locator('canvas[data-index="100"]').waitFor(), ["wide", "phone"]);
  await shoot("clip", `/#/jobs/${job}`, (page) => chooseEvent(page), ["wide", "zoomed"]);
  const inView = async (page: Page) => {
    await chooseEvent(page);
    await page.screenshot({ path: join(FOLDER, "clip-phone-in-view.png") });
  };
  await shoot("clip", `/#/jobs/${job}`, inView, ["phone"]);
  const openEditor = async (page: Page) => {
    await page.getByRole("button", { name: "Run again" }).click();
    await page.getByRole("button", { name: "Options of zones" }).click();
    await page.getByRole("button", { name: "Draw on the picture" }).click();
    await page.locator(".editor-surface").waitFor();
  };
  await shoot("editor", `/#/jobs/${job}`, openEditor, ["wide", "zoomed", "phone"]);
  await shoot("editor-drawing", `/#/jobs/${job}`, async (page) => {
    await openEditor(page);
    await page.getByRole("button", { name: "Draw a zone" }).click();
    const box = await page.locator(".editor-surface").boundingBox();
    for (const [x, y] of [[0.3, 0.2], [0.7, 0.3], [0.6, 0.8]] as const) await page.mouse.click((box?.x ?? 0) + x * (box?.width ?? 0), (box?.y ?? 0) + y * (box?.height ?? 0));
    await page.getByRole("button", { name: "Cancel", exact: true }).click();
  }, ["wide", "phone"]);
});

const clipsOf = async (job: string) => (await server.get<{ clips: unknown[] }>(`/v1/jobs/${job}/clips`)).clips.length;

async function chooseEvent(page: Page, words = /with a clip/): Promise<void> {
  await page.locator("canvas[data-index]").waitFor();
  await page.getByRole("button", { name: words }).first().click();
  await page.locator(".chosen-event video").waitFor();
}

test("the README's pictures: a finished job with its events, and one that runs", async () => {
  const zones = [{ name: "square", polygon: [[190, 215], [450, 215], [520, 345], [120, 345]] }];
  const lines = [{ name: "middle", line: [[320, 205], [320, 350]] }];
  const start = () => server.submit(["motion", "people", "tracker", { name: "zones", options: { zones, lines } }, "quality"], {}, { source: "demo:" });
  const take = async (name: string, job: string, dark: boolean, prepare: (page: Page) => Promise<unknown>) => {
    const { context, page } = await openPage(browser, `${server.url}/#/jobs/${job}`, { ...SIZES.wide, dark });
    await prepare(page);
    await page.screenshot({ path: join(FOLDER, name), type: "jpeg", quality: 82 });
    await context.close();
  };
  const job = await start();
  await take("ui-dark.jpg", job, true, async (page) => {
    await page.getByRole("button", { name: "Map of the tracks" }).click();
    await expect.poll(async () => Number(await page.locator(".frame-renderer canvas[data-index]").getAttribute("data-index")), { timeout: 60_000 }).toBeGreaterThan(192);
  });
  await server.ended(job);
  await expect.poll(() => clipsOf(job), { timeout: 60_000 }).toBeGreaterThan(0);
  await take("ui.jpg", job, false, async (page) => {
    await page.getByLabel("Kind of events").selectOption("entered");
    await chooseEvent(page, /person 2 entered.*with a clip/);
    const seeked = page.locator(".chosen-event video").evaluate((video: HTMLVideoElement) => new Promise<void>((done) => (video.onseeked = () => done())));
    await page.getByRole("button", { name: "To the event in the clip" }).click();
    await seeked;
    await page.locator(".event-list").evaluate((list) => list.scrollIntoView());
    await page.mouse.move(0, 0);
    await page.waitForTimeout(1500);
  });
});

test("screenshots of signing in and of the tokens", async () => {
  const guarded = new Server();
  await guarded.start("--token");
  onTestFinished(() => guarded.stop());
  await shoot("sign-in", guarded.url, (page) => page.getByText("Where do I find one?").click(), ["wide", "phone"]);
  await guarded.call("/v1/tokens", "POST", { name: "wall", role: "view" });
  await shoot("tokens", `${guarded.url}/#/tokens`, async (page) => {
    await page.getByLabel("Token", { exact: true }).fill(guarded.token);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("wall").first().waitFor();
  }, ["wide", "phone"]);
});

test("screenshots of the cameras", async () => {
  const placed = new Server();
  const places = { door: "rtsp://127.0.0.1:1/", yard: "rtsp://127.0.0.1:2/" };
  const text = Object.entries(places).map(([name, url]) => `[cameras.${name}]\nurl = "${url}"\n`).join("\n");
  await placed.start("--config", placed.writeFile("kinora.toml", text));
  onTestFinished(() => placed.stop());
  const choose = async (page: Page) => {
    await page.context().grantPermissions(["camera"]);
    await page.getByRole("radio", { name: "Camera", exact: true }).check();
    await page.getByRole("radio", { name: "This browser’s camera" }).check();
    await page.getByLabel("What this browser’s camera sees").waitFor();
    await page.locator(".camera-list .badge.bad").first().waitFor();
  };
  await shoot("camera", placed.url, choose, ["wide", "phone"]);
  await shoot("camera-sent", placed.url, async (page) => {
    await choose(page);
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.locator(".frame-renderer canvas[data-index]").waitFor();
    await page.getByText(/\d a second/).waitFor();
  }, ["wide", "phone"]);
});

test("screenshots of the wall", async () => {
  const wall = new Server();
  wall.writePlugin("slow", "@tool('slow')\ndef slow(frame):\n    time.sleep(0.2)\n    return None");
  await wall.start("--max-jobs", "9");
  onTestFinished(() => wall.stop());
  const page = `${wall.url}/#/wall`;
  await shoot("wall-empty", page, (shown) => shown.getByText("No job is running.").waitFor(), ["wide", "phone"]);
  const pictured = async (shown: Page, tiles: number) => {
    await shown.getByText(/\d fps$/).first().waitFor();
    await expect.poll(() => shown.locator(".tile canvas[data-index]").count(), { timeout: 30_000 }).toBeGreaterThanOrEqual(tiles);
  };
  await wall.submit(["people", "tracker", "slow"]);
  await shoot("wall-1", page, (shown) => pictured(shown, 1), ["wide"]);
  for (const plugin of ["motion", "people", "scenes"]) await wall.submit([plugin, "slow"]);
  await shoot("wall-4", page, (shown) => pictured(shown, 4), ["wide", "huge"]);
  await shoot("wall-4", page, (shown) => pictured(shown, 1), ["zoomed", "phone"]);
  for (let more = 0; more < 5; more++) await wall.submit(["motion", "slow"], { stride: 2 + more });
  await shoot("wall-9", page, (shown) => pictured(shown, 9), ["wide"]);
  await shoot("wall-9", page, (shown) => pictured(shown, 1), ["phone"]);
});
