/** A finished job in which it is known what each plugin found on which frame. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, openPage, type Watched } from "./kit/browser";
import { Server } from "./kit/server";
import { expectSound, PHONE } from "./kit/sound";

const server = new Server();
let browser: Browser;
let jobId = "";

beforeAll(async () => {
  server.writePlugin("street", `@tool('street')
def street(frame):
    box = {'y': 40, 'width': 60, 'height': 60}
    car = {'class': 'car', 'confidence': 0.93, 'x': 40, 'track_id': 7, **box}
    bike = {'class': 'bike', 'confidence': 0.4, 'x': 240, 'track_id': 8, **box}
    return {'detections': [car, bike] if frame.index % 10 >= 5 else [], 'metrics': {'level': frame.index}, 'cut': frame.index == 40}`);
  server.writePlugin("signs", `@tool('signs')
def signs(frame):
    return {'detections': [{'class': 'sign', 'text': 'EXIT 4', 'x': 40, 'y': 200, 'width': 60, 'height': 60}] if frame.index % 10 >= 5 else []}`);
  server.writePlugin("paint", "@tool('paint')\ndef paint(frame):\n    return {'colors': [{'hex': '#0a7d70', 'share': 0.7}, {'hex': '#c2680c', 'share': 0.3}]}");
  server.writePlugin("fussy", "@tool('fussy')\ndef fussy(frame):\n    if frame.index == 33:\n        raise ValueError('not this one')");
  server.writePlugin("paced", `@tool('paced')
def paced(frame):
    time.sleep(0.02)
    while frame.index == 60 and not os.path.exists('${join(server.folder, "go-on")}'):
        time.sleep(0.02)`);
  server.writePlugin("gate", `@tool('gate')
def gate(frame):
    while frame.index == 8 and not os.path.exists('${join(server.folder, "open")}'):
        time.sleep(0.02)
    told = {2: 'entered', 5: 'left', 8: 'entered'}.get(frame.index)
    return {'events': [{'kind': told, 'message': f'{told} the yard', 'data': {'zone': 'yard'}}] if told else []}`);
  // Nobody listens there; what is kept of its events is to be seen all the same.
  const config = '[webhooks.kept]\nurl = "http://127.0.0.1:9/"\nevents = ["entered"]\nclip = {before_s = 0.1, after_s = 0.5}\n';
  await server.start("--config", server.writeFile("kinora.toml", config));
  browser = await launch();
  jobId = await server.submit(["street", "signs", "paint", "fussy"], { max_frames: 90 }, { source: "demo:" });
  await server.ended(jobId);
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

const canvas = (page: Page) => page.locator("canvas[data-index]");
const isAt = (page: Page, index: number) => page.locator(`canvas[data-index="${index}"]`).waitFor();
const frameOn = async (page: Page) => Number(await canvas(page).getAttribute("data-index"));
const open = (frame: number): Promise<Watched> => openPage(browser, `${server.url}/#/jobs/${jobId}?frame=${frame}`);

/** The place on the screen of a point of the demo's picture. */
async function onScreen(page: Page, x: number, y: number): Promise<[x: number, y: number]> {
  const box = await canvas(page).boundingBox();
  const { frames: [frame] } = await server.get<{ frames: { width: number; height: number }[] }>(`/v1/jobs/${jobId}/extended?limit=1`);
  if (!box || !frame) throw new Error("There is no picture.");
  const scale = Math.min(box.width / frame.width, box.height / frame.height);
  return [box.x + (box.width - frame.width * scale) / 2 + x * scale, box.y + (box.height - frame.height * scale) / 2 + y * scale];
}

test("events are listed as they come, and each leads to its frame and its clip; their kinds are chosen, and the scrubber has them", async () => {
  const gateId = await server.submit(["gate"], { max_frames: 12 }, { source: "demo:" });
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${gateId}`);
  const events = page.getByRole("region", { name: "Events", exact: true });
  const row = (words: RegExp) => events.getByRole("button", { name: words });
  await row(/left the yard/).waitFor();
  expect(await row(/the yard/).count()).toBe(2);
  const ticks = page.locator(".scrubber canvas");
  const before = await ticks.screenshot();
  // The third one is told: it is there also if the page cannot ask for it.
  const asked = "**/events?*";
  await page.route(asked, (route) => route.abort());
  writeFileSync(join(server.folder, "open"), "");
  await expect.poll(() => row(/the yard/).count()).toBe(3);
  await page.unroute(asked);
  await server.ended(gateId);
  await expect.poll(async () => before.equals(await ticks.screenshot())).toBe(false);
  await row(/left the yard/).click();
  await isAt(page, 5);
  await events.getByText("yard", { exact: true }).waitFor();
  // Its frame may be on its way yet.
  await expect.poll(async () => {
    await page.keyboard.press("e");
    return frameOn(page);
  }).toBe(8);
  await page.keyboard.press("Shift+E");
  await page.keyboard.press("Shift+E");
  await isAt(page, 2);
  const clips = async () => (await server.get<{ clips: { start_ms: number; timestamp_ms: number }[] }>(`/v1/jobs/${gateId}/clips`)).clips;
  await expect.poll(async () => (await clips()).length).toBe(2);
  await row(/entered the yard/).first().click();
  const clip = events.getByLabel("Clip of entered, number 1");
  await expect.poll(() => clip.evaluate((video: HTMLVideoElement) => video.readyState > 0 && video.duration > 0.3)).toBe(true);
  const [first] = (await clips()) as [{ start_ms: number; timestamp_ms: number }];
  await events.getByRole("button", { name: "To the event in the clip" }).press("Enter");
  await expect.poll(() => clip.evaluate((video: HTMLVideoElement) => video.currentTime)).toBeCloseTo((first.timestamp_ms - first.start_ms) / 1000, 2);
  await expect.poll(() => row(/with a clip/).count()).toBe(2);
  const download = page.waitForEvent("download");
  await events.getByRole("link", { name: /^Clip/ }).click();
  expect((await download).suggestedFilename()).toMatch(/-1\.mp4$/);
  await expectSound(page);
  await page.setViewportSize(PHONE);
  await row(/left the yard/).click();
  await isAt(page, 5);
  const seen = await page.locator(".frame-renderer").boundingBox();
  expect([seen?.y ?? -1, PHONE.height - (seen?.y ?? 0) - (seen?.height ?? 0)].every((room) => room >= 0), "on a phone the picture is in view then").toBe(true);
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByLabel("Kind of events").selectOption("left");
  await expect.poll(() => row(/the yard/).count()).toBe(1);
  expect(faults).toEqual([]);
  await context.close();
});

async function changes(element: Locator, act: () => Promise<unknown>): Promise<void> {
  const before = await element.screenshot();
  await act();
  await expect.poll(async () => before.equals(await element.screenshot())).toBe(false);
}

test("next and previous detection, warning and event; to a time; J, K, L, speed and repeating", async () => {
  const { context, page, faults } = await open(20);
  await isAt(page, 20);
  const keys: [key: string, index: number][] = [["d", 25], ["d", 35], ["Shift+D", 25], ["e", 40], ["Shift+W", 33], ["Shift+E", 0]];
  for (const [key, index] of keys.slice(0, 5)) {
    await page.keyboard.press(key);
    await isAt(page, index);
  }
  for (const [name, index] of [["Previous detection", 25], ["Next event", 40], ["Previous kind of warning", 33], ["Next detection", 35]] as const) {
    await page.getByRole("button", { name }).click();
    await isAt(page, index);
  }
  await page.keyboard.press("g");
  await page.keyboard.type("0:02");
  await page.keyboard.press("Enter");
  await isAt(page, 50);
  const speed = page.getByLabel("Speed");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  expect(await speed.inputValue()).toBe("-2");
  await expect.poll(() => frameOn(page)).toBeLessThan(50);
  await page.keyboard.press("k");
  await page.getByRole("button", { name: "Play", exact: true }).waitFor();
  await page.keyboard.press("End");
  await isAt(page, 89);
  await page.keyboard.press("r");
  await page.keyboard.press("l");
  await page.keyboard.press(">");
  expect(await speed.inputValue()).toBe("2");
  await expect.poll(() => frameOn(page)).toBeLessThan(60);
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByRole("button", { name: "Keys" }).click();
  await page.getByRole("dialog", { name: "Keys" }).getByLabel("These keys work").waitFor();
  expect(faults).toEqual([]);
  await context.close();
});

test("the picture is touched: facts of a box, switches by plugin, confidence and colour, moving the picture and the map", async () => {
  const { context, page, faults } = await open(25);
  await isAt(page, 25);
  await page.locator('canvas[data-found="3"]').waitFor();
  const [x, y] = await onScreen(page, 50, 50);
  const tip = page.locator(".picture-tip");
  await page.mouse.move(x, y);
  for (const fact of ["car", "93.0%", "#7", "street"]) await tip.getByText(fact).first().waitFor();
  await page.mouse.move(...(await onScreen(page, 50, 210)));
  await tip.getByText("EXIT 4").waitFor();
  const listed = page.getByRole("region", { name: "This frame", exact: true }).getByRole("button", { name: /car/ });
  await page.mouse.click(x, y);
  await expect.poll(() => listed.getAttribute("aria-pressed")).toBe("true");
  await page.keyboard.press("Escape");
  await page.mouse.move(0, 0);
  await changes(canvas(page), () => listed.hover());
  await page.mouse.move(0, 0);

  await page.locator("#toggle-filters").click();
  for (const colour of ["class", "plugin"]) await changes(canvas(page), () => page.getByRole("radio", { name: colour, exact: true }).check());
  await page.getByRole("checkbox", { name: "signs", exact: true }).uncheck();
  await page.locator('canvas[data-found="2"]').waitFor();
  await page.getByRole("slider", { name: /^Confidence/ }).fill("50");
  await page.locator('canvas[data-found="1"]').waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("2 detections hidden by your filter.").waitFor();

  await page.getByRole("button", { name: "Larger", exact: true }).click();
  await expect.poll(() => page.locator("#zoom-reset").textContent()).toBe("150%");
  const drag = async (from: [number, number], by: number) => {
    await page.mouse.move(...from);
    await page.mouse.down();
    await page.mouse.move(from[0] + by, from[1] + by, { steps: 4 });
    await page.mouse.up();
  };
  await changes(canvas(page), () => drag([x + 100, y + 100], 60));
  await page.keyboard.press("0");
  await page.locator("#toggle-radar").click();
  const box = await canvas(page).boundingBox();
  const [right, bottom] = await onScreen(page, 600, 320);
  await changes(canvas(page), () => drag([Math.min(right, (box?.x ?? 0) + (box?.width ?? 0) - 60), bottom], -120));
  await page.locator("#toggle-filters").click();
  expect(await page.getByRole("combobox", { name: /^Map/ }).inputValue()).toBe("moved");
  expect(faults).toEqual([]);
  await context.close();
});

test("the table shows texts, colours and bars, and its text is selected without leaving the frame", async () => {
  const { context, page, faults } = await open(25);
  await isAt(page, 25);
  const row = page.getByRole("table", { name: "Results" }).locator('[aria-current="true"]');
  await row.getByText("EXIT 4").waitFor();
  await row.getByRole("img", { name: "#0a7d70 70%, #c2680c 30%" }).waitFor();
  expect(await row.locator(".cell-bar").first().evaluate((bar) => bar.clientWidth)).toBeGreaterThan(0);
  const cell = page.getByRole("table", { name: "Results" }).locator('[aria-rowindex="28"]').getByRole("cell").filter({ hasText: "EXIT 4" });
  const box = await cell.boundingBox();
  if (!box) throw new Error("The row is not visible.");
  await page.mouse.move(box.x + 8, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + 60, box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
  expect(await page.evaluate(() => getSelection()?.toString())).toMatch(/EX/);
  expect(await frameOn(page)).toBe(25);
  expect(faults).toEqual([]);
  await context.close();
});

test("metrics are plotted below the scrubber in step with it, enlarged too", async () => {
  const { context, page, faults } = await open(60);
  await isAt(page, 60);
  const curve = page.getByRole("region", { name: "Metrics over the frames" }).locator(".curve").filter({ hasText: "level" });
  const slider = page.getByRole("slider", { name: "Frame", exact: true });
  /** How far the line in the curves is from the middle of the slider's thumb, in pixels. */
  const apart = async () => {
    const [line, track] = [await curve.locator(".curve-now").boundingBox(), await slider.boundingBox()];
    const [least, most, value] = [await slider.getAttribute("min"), await slider.getAttribute("max"), await slider.inputValue()].map(Number) as [number, number, number];
    const thumb = (track?.x ?? 0) + 8 + ((value - least) / (most - least)) * ((track?.width ?? 0) - 16);
    return Math.abs((line?.x ?? 1e9) - thumb);
  };
  for (const zoomed of [false, true]) {
    if (zoomed) await page.getByRole("button", { name: "Show less of the timeline, larger" }).click();
    for (const [key, index] of [["Home", 0], ["End", 89], ["Shift+D", 85]] as const) {
      await page.keyboard.press(key);
      await isAt(page, index);
      await expect.poll(() => curve.locator(".curve-value").textContent()).toBe(String(index));
      await expect.poll(apart).toBeLessThan(2);
    }
  }
  expect(faults).toEqual([]);
  await context.close();
});

test("while a job runs, the ticks stay where they are, the title says its per cent, and a plugin that finds nothing has its times", async () => {
  const running = await server.submit(["street", "paced"], { max_frames: 90, plugin_timeout_ms: 600_000 }, { source: "demo:" });
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${running}`);
  const slider = page.getByRole("slider", { name: "Frame", exact: true });
  /** The place of the first tick, in pixels of the canvas. */
  const firstTick = () =>
    page.locator(".scrubber canvas").evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
      return Array.from({ length: canvas.width }, (_, x) => x).findIndex((x) => Array.from({ length: canvas.height }, (_, y) => data[4 * (y * canvas.width + x) + 3]).some(Boolean));
    });
  const rows = async () => Number(await slider.inputValue());
  await expect.poll(rows).toBeGreaterThan(20);
  await expect.poll(() => page.title()).toMatch(/^[1-9]\d?% · demo: · Kinora$/);
  const [tick, last] = [await firstTick(), await slider.getAttribute("max")];
  expect(tick).toBeGreaterThan(0);
  await page.getByRole("figure", { name: /way of an average frame/ }).getByText(/^last \d+ frames; paced: whole job$/).waitFor();
  await page.getByRole("article", { name: "paced" }).getByRole("img", { name: /^Time per frame, whole job: half of the frames within \d/ }).waitFor();
  await expect.poll(rows).toBeGreaterThan(40);
  expect([await firstTick(), await slider.getAttribute("max")]).toEqual([tick, last]);
  writeFileSync(join(server.folder, "go-on"), "");
  await expect.poll(() => page.title()).toBe("done · demo: · Kinora");
  expect([await firstTick(), await slider.getAttribute("max")]).toEqual([tick, last]);
  expect(faults).toEqual([]);
  await context.close();
});

test("charts and figures are about the same frames, on one scale", async () => {
  const { context, page, faults } = await open(0);
  const pipeline = page.getByRole("figure", { name: /way of an average frame/ });
  await pipeline.getByText("whole job").waitFor();
  await pipeline.getByText(/all charts end at \d/).waitFor();
  for (const name of ["street", "signs", "paint", "fussy"]) {
    const card = page.getByRole("article", { name });
    const words = await card.getByRole("img").getAttribute("aria-label");
    const [, half, most] = /^Time per frame, whole job: half of the frames within (.+), 95% within (.+)$/.exec(words ?? "") ?? [];
    const figure = await card.locator("dd").first().textContent();
    expect(figure?.split(" / ").map((word) => word.replace(/ ms$/, ""))).toEqual([half, most].map((word) => word?.replace(/ ms$/, "")));
  }
  expect(faults).toEqual([]);
  await context.close();
});

test("the look: one font in five sizes, the job's name largest, nothing moves by itself, the address and the title name the place", async () => {
  const { context, page } = await open(25);
  await isAt(page, 25);
  await page.emulateMedia({ reducedMotion: "no-preference" });
  const { sizes, fonts, title } = await page.evaluate(() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const [sizes, fonts] = [new Set<number>(), new Set<string>()];
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
      const element = node.parentElement;
      if (!element || node.textContent?.trim() === "" || !element.checkVisibility() || element.closest(".visually-hidden, code, pre, option")) continue;
      const style = getComputedStyle(element);
      sizes.add(Number.parseFloat(style.fontSize));
      fonts.add(style.fontFamily.split(",")[0] ?? "");
    }
    return { sizes: [...sizes].sort((a, b) => b - a), fonts: [...fonts], title: Number.parseFloat(getComputedStyle(document.querySelector(".job-status h2") ?? document.body).fontSize) };
  });
  expect(fonts).toEqual(["Geist"]);
  expect(sizes.length, sizes.join()).toBeLessThanOrEqual(5);
  expect(title).toBe(sizes[0]);
  expect(await page.evaluate(() => document.getAnimations().length)).toBe(0);
  await context.close();
});
