/** Zones and lines are drawn on a picture by hand: by mouse, by touch and by keyboard. */
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { Camera } from "./kit/Camera";
import { Server } from "./kit/server";
import { expectSound, PHONE } from "./kit/sound";

const [WIDTH, HEIGHT] = [64, 48];
const server = new Server();
const camera = new Camera(Buffer.alloc(0));
let browser: Browser;

beforeAll(async () => {
  await camera.open();
  server.writePictures("yard", 6, 0, 90, 90);
  server.writePlugin("gates", `POINTS = {'type': 'array', 'items': {'type': 'array', 'items': {'type': 'number'}}}

def shapes(key):
    item = {'type': 'object', 'properties': {'name': {'type': 'string'}, key: {**POINTS, 'format': key}}}
    return {'type': 'array', 'items': item}

@tool('gates', config_schema={'type': 'object', 'properties': {'zones': shapes('polygon'), 'lines': shapes('line'), 'wide': {'type': 'boolean', 'default': False}}})
def gates(frame):
    return {}`);
  await server.start("--config", server.writeFile("kinora.toml", `[cameras.door]\nurl = "http://127.0.0.1:${camera.port}/"\n`));
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
  camera.close();
  await server.stop();
});

/** Fill in the form for a job of the plugin, and open the editor. */
async function openEditor(page: Page): Promise<void> {
  await page.getByRole("radio", { name: "Folder" }).check();
  await page.getByRole("radio", { name: /^yard/ }).check();
  for (const name of ["motion", "people", "tracker", "quality", "scenes"]) await page.getByRole("button", { name: `Remove ${name}` }).click();
  await page.getByRole("button", { name: "gates", exact: true }).click();
  await page.getByRole("button", { name: "Options of gates" }).click();
  await page.getByRole("button", { name: "Draw on the picture" }).click();
  await page.locator(".editor-surface").waitFor();
}

/** Where a pixel of the picture is in the window. */
async function placeOf(page: Page, [x, y]: readonly [number, number]): Promise<[number, number]> {
  const box = await page.locator(".editor-surface").boundingBox();
  if (!box) throw new Error("The picture is not to be seen.");
  return [box.x + (x / WIDTH) * box.width, box.y + (y / HEIGHT) * box.height];
}

/** What is drawn, as the started job has it in its options. */
async function started(page: Page): Promise<unknown> {
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.waitForURL(/#\/jobs\//);
  const { job_id: jobId } = await server.state();
  return (await server.get<{ plugins: { gates: { options: unknown } } }>(`/v1/jobs/${jobId}/extended`)).plugins.gates.options;
}

test("by mouse a zone and a line are drawn, changed and named; the job has them in pixels of the source", async () => {
  const { context, page, faults } = await openPage(browser, server.url);
  await openEditor(page);
  await page.getByRole("button", { name: "Draw a zone" }).click();
  for (const corner of [[10, 10], [40, 10]] as const) await page.mouse.click(...(await placeOf(page, corner)));
  await page.mouse.dblclick(...(await placeOf(page, [40, 30])));
  await page.getByRole("textbox", { name: "Name of zone 1" }).fill("door");
  await page.mouse.move(...(await placeOf(page, [40, 30])));
  await page.mouse.down();
  await page.mouse.move(...(await placeOf(page, [50, 40])), { steps: 3 });
  await page.mouse.up();
  await page.getByRole("button", { name: "Draw a line" }).click();
  await page.mouse.move(...(await placeOf(page, [5, 45])));
  await page.mouse.down();
  await page.mouse.move(...(await placeOf(page, [60, 45])), { steps: 3 });
  await page.mouse.up();
  await page.getByRole("textbox", { name: "Name of line 1" }).waitFor();
  await expectSound(page);
  await page.setViewportSize({ width: 1440, height: 900 });
  expect(await started(page)).toEqual({
    zones: [{ name: "door", polygon: [[10, 10], [40, 10], [50, 40]] }],
    lines: [{ name: "line 1", line: [[5, 45], [60, 45]] }],
    wide: false,
  });
  await page.getByRole("button", { name: "Run again" }).click();
  await page.getByRole("button", { name: "Options of gates" }).click();
  await page.getByText("1 zone: door. 1 line: line 1.").waitFor();
  expect(faults).toEqual([]);
  await context.close();
});

test("by keyboard alone a zone is drawn, a point of it moved and one added; a line is turned round", async () => {
  const { context, page, faults } = await openPage(browser, server.url);
  await openEditor(page);
  const press = async (...keys: string[]) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  await page.getByRole("button", { name: "Draw a zone" }).press("Enter");
  await press("Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter");
  await page.getByRole("button", { name: "Finish the zone" }).press("Enter");
  await page.getByRole("button", { name: "Point 1 of zone 1: 32, 24" }).focus();
  await press("ArrowLeft", "Insert");
  await page.getByRole("button", { name: "Point 2 of zone 1: 37, 24" }).waitFor();
  await page.getByRole("button", { name: "Draw a line" }).press("Enter");
  await press("Enter", "ArrowUp", "Enter");
  await page.getByRole("button", { name: /^Turn line 1 round/ }).press("Enter");
  expect(await started(page)).toMatchObject({
    zones: [{ polygon: [[31, 24], [37, 24], [42, 24], [42, 34]] }],
    lines: [{ line: [[32, 23], [32, 24]] }],
  });
  expect(faults).toEqual([]);
  await context.close();
});

test("by touch on a phone a zone is drawn; it is discarded only after a question", async () => {
  const context = await browser.newContext({ viewport: PHONE, hasTouch: true, isMobile: true, reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.goto(server.url);
  await openEditor(page);
  await page.getByRole("button", { name: "Draw a zone" }).tap();
  for (const corner of [[10, 10], [50, 10], [50, 40], [10, 10]] as const) await page.touchscreen.tap(...(await placeOf(page, corner)));
  await page.getByRole("button", { name: "Point 3 of zone 1: 50, 40" }).waitFor();
  await page.getByRole("button", { name: "Cancel", exact: true }).tap();
  await page.getByRole("button", { name: "Discard" }).tap();
  await page.getByText("Nothing is drawn yet.").waitFor();
  await context.close();
});

test("a zone needs a name of its own; Escape gives up what is being drawn and leaves the rest", async () => {
  const { context, page, faults } = await openPage(browser, server.url);
  await openEditor(page);
  const draw = async (...corners: [number, number][]) => {
    await page.getByRole("button", { name: "Draw a zone" }).click();
    for (const corner of corners) await page.mouse.click(...(await placeOf(page, corner)));
  };
  for (const top of [5, 25]) {
    await draw([10, top], [40, top], [40, top + 15]);
    await page.getByRole("button", { name: "Finish the zone" }).click();
    await page.getByRole("button", { name: "Point 1 of zone" }).and(page.locator(":focus")).waitFor();
  }
  const [name, done] = [page.getByRole("textbox", { name: "Name of zone 2" }), page.getByRole("button", { name: "Done" })];
  await name.fill("");
  await page.getByText("Give it a name.").waitFor();
  expect(await done.isDisabled()).toBe(true);
  await name.fill("zone 1");
  await page.getByText("Another zone is called zone 1: choose a name of its own.").waitFor();
  expect(await done.isDisabled()).toBe(true);
  await expectSound(page);
  await page.setViewportSize({ width: 720, height: 450 });
  const [picture, list] = [await page.locator(".editor-surface").boundingBox(), await page.getByRole("list", { name: "What is drawn" }).boundingBox()];
  expect(list?.y, "the list is below the picture").toBeGreaterThanOrEqual((picture?.y ?? Infinity) + (picture?.height ?? 0));
  await page.setViewportSize({ width: 1440, height: 900 });
  await name.fill("gate");
  await draw([50, 5], [60, 5], [60, 20]);
  await page.keyboard.press("Backspace");
  await page.getByText(/^2 points set/).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Draw a zone" }).and(page.locator(":focus")).waitFor();
  // Escape asks before it closes the editor, and answers "no" to the question.
  for (const asked of [true, false, true]) {
    await page.keyboard.press("Escape");
    await page.getByText("Discard what you have drawn?").waitFor({ state: asked ? "visible" : "hidden" });
  }
  await expectSound(page);
  await page.getByRole("button", { name: "Keep drawing" }).click();
  await page.setViewportSize({ width: 1440, height: 900 });
  await done.click();
  await page.getByText("2 zones: zone 1, gate.").waitFor();
  expect(faults).toEqual([]);
  await context.close();
});

test("on a video that is still to be sent one draws before it is", async () => {
  await server.ended(await server.submit(["gates"], { max_frames: 1 }, { source: "demo:" }));
  const { context, page, faults } = await openPage(browser, server.url);
  await page.getByRole("radio", { name: "File" }).check();
  await page.locator("input[type=file]").setInputFiles(join(server.folder, "data", "demo.mp4"));
  await page.getByRole("button", { name: "zones", exact: true }).click();
  await page.getByRole("button", { name: "Options of zones" }).click();
  await page.getByRole("button", { name: "Draw on the picture" }).click();
  await page.locator(".editor-surface").waitFor();
  expect(faults).toEqual([]);
  await context.close();
});

test("on a camera that a job watches one draws on the job's picture", async () => {
  const pictured = await server.submit(["gates"], {}, { source: "yard" });
  await server.ended(pictured);
  camera.picture = Buffer.from(await (await fetch(`${server.url}/v1/jobs/${pictured}/frames/0.jpg`)).arrayBuffer());
  const watching = await server.submit(["gates"], {}, { source: "camera:door" });
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${watching}`);
  await page.locator("canvas[data-index]").waitFor();
  await page.getByRole("button", { name: "Run again" }).click();
  await page.getByRole("button", { name: "Options of gates" }).click();
  await page.getByRole("button", { name: "Draw on the picture" }).click();
  const picture = page.locator(".editor-surface canvas");
  await picture.waitFor();
  expect(await picture.evaluate(({ width, height }: HTMLCanvasElement) => [width, height])).toEqual([WIDTH, HEIGHT]);
  expect((await server.state()).status, "the job goes on").toBe("running");
  expect(faults).toEqual([]);
  await context.close();
});

test("where there is no picture, the reason is said", async () => {
  const { context, page, faults } = await openPage(browser, server.url);
  await openEditor(page);
  await page.keyboard.press("Escape");
  await page.getByRole("radio", { name: "URL" }).check();
  await page.getByRole("button", { name: "Draw on the picture" }).click();
  await page.getByText("Choose a source first.").waitFor();
  await page.getByRole("textbox", { name: "URL" }).fill("http://127.0.0.1:9/none.mp4");
  await page.getByRole("button", { name: "Draw on the picture" }).click();
  await page.getByRole("dialog").getByRole("alert").waitFor();
  expect(faults).toEqual([]);
  await context.close();
});
