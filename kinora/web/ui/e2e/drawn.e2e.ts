import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { CATALOGUE } from "./kit/plugins";
import { Server } from "./kit/server";

const server = new Server();
let browser: Browser;
let jobId: string;

beforeAll(async () => {
  server.writePlugin("catalogue", CATALOGUE);
  server.writePictures("sky", 3, 0, 0, 255, { width: 640, height: 360 });
  await server.start();
  browser = await launch();
  jobId = await server.submit(["catalogue"], {}, { source: "sky" });
  await server.ended(jobId);
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

type Color = [red: number, green: number, blue: number];

/** Places in the picture and what is drawn there: a fill, whose middle has one colour, a stroke, or nothing. */
const PLACES: [what: string, kind: "fill" | "stroke" | "nothing", x: number, y: number][] = [
  ["a mask", "fill", 150, 90],
  ["a turned box", "fill", 360, 75],
  ["the box before its turn", "nothing", 312, 120],
  ["an outline", "fill", 500, 90],
  ["the box of an outline", "nothing", 462, 140],
  ["a zone", "fill", 150, 300],
  ["a line", "stroke", 300, 320],
  ["a bone", "stroke", 400, 280],
  ["a bone to a point that is not seen", "nothing", 450, 280],
  ["a point", "stroke", 600, 300],
  ["a class of the picture", "stroke", 20, 20],
];

/** The colour at each place of what the page shows. */
function colorsOfPage(page: Page): Promise<Color[]> {
  return page.getByRole("img", { name: "Picture with the plugins' results" }).evaluate((canvas: HTMLCanvasElement, places) => {
    const scale = Math.min(canvas.width / 640, canvas.height / 360);
    const [left, top] = [(canvas.width - 640 * scale) / 2, (canvas.height - 360 * scale) / 2];
    const context = canvas.getContext("2d");
    return places.map(([, , x, y]) => [...(context?.getImageData(Math.round(left + x * scale), Math.round(top + y * scale), 1, 1).data ?? [])].slice(0, 3) as Color);
  }, PLACES);
}

/** The colour at each place of the still that the server draws. */
function colorsOfStill(page: Page): Promise<Color[]> {
  return page.evaluate(async ({ url, places }) => {
    const bitmap = await createImageBitmap(await (await fetch(url)).blob());
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    context?.drawImage(bitmap, 0, 0);
    return places.map(([, , x, y]) => [...(context?.getImageData(x, y, 1, 1).data ?? [])].slice(0, 3) as Color);
  }, { url: `/v1/jobs/${jobId}/frames/0.jpg?overlay=1`, places: PLACES });
}

const apart = (a: Color, b: Color) => Math.max(...a.map((value, at) => Math.abs(value - (b[at] ?? 0))));
/** Two pictures of one colour are this much apart at most: one of them is a JPEG. */
const SAME = 24;
const SKY: Color = [0, 0, 255];

test("the page and the server's stills draw all that a result may have, and alike", async () => {
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${jobId}?frame=0`);
  await page.locator('canvas[data-index="0"]').waitFor();
  const [shown, still] = [await colorsOfPage(page), await colorsOfStill(page)];
  PLACES.forEach(([what, kind], at) => {
    const [ours, theirs] = [shown[at] ?? SKY, still[at] ?? SKY];
    if (kind === "fill") expect(apart(ours, theirs), `${what}: ${ours.join()} and ${theirs.join()}`).toBeLessThan(SAME);
    for (const color of [ours, theirs]) {
      if (kind === "nothing") expect(apart(color, SKY), `${what}: ${ours.join()} and ${theirs.join()}`).toBeLessThan(SAME);
      else expect(apart(color, SKY), `${what}: ${ours.join()} and ${theirs.join()}`).toBeGreaterThanOrEqual(SAME);
    }
  });
  expect(faults).toEqual([]);
  await context.close();
});

test("what is found is in words beside the picture and in the table, its figures are plotted, and a plugin's shapes can be hidden", async () => {
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${jobId}?frame=0`);
  await page.locator('canvas[data-index="0"]').waitFor();
  const pane = page.getByRole("region", { name: "This frame", exact: true });
  expect(await pane.getByRole("list", { name: "Classes of the picture by catalogue" }).getByRole("listitem").allTextContents()).toEqual(["street83%", "square12%"]);
  await pane.getByText("B-XY 12").waitFor();
  await page.getByRole("region", { name: "Metrics over the frames" }).getByText("door person").waitFor();
  const row = page.getByRole("row", { name: /^0 / });
  for (const words of ["street 83%, square 12%", "1 door", "1 gate", "1 goal"]) await row.getByRole("cell", { name: words, exact: true }).waitFor();
  await page.locator("#toggle-filters").click();
  await page.getByRole("group", { name: "What is drawn" }).getByRole("checkbox", { name: "catalogue" }).uncheck();
  await expect.poll(async () => Math.max(...(await colorsOfPage(page)).map((color) => apart(color, SKY)))).toBeLessThan(SAME);
  expect(faults).toEqual([]);
  await context.close();
});
