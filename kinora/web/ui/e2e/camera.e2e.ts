import { join } from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, openPage } from "./kit/browser";
import { Camera } from "./kit/Camera";
import { writePlugins } from "./kit/plugins";
import { Proxy } from "./kit/Proxy";
import { Server } from "./kit/server";
import { expectSound } from "./kit/sound";

/** A name of this machine under which a browser does not take a page for a local one. */
const ELSEWHERE = "kinora.test";
/** Any picture: a camera that is only looked at. */
const JPEG = Buffer.from("ffd8ffd9", "hex");
const server = new Server();
const camera = new Camera(JPEG);
let proxy: Proxy;
let browser: Browser;

beforeAll(async () => {
  writePlugins(server);
  server.writePlugin("bell", `rung = []

@tool('bell')
def bell(frame):
    if frame.timestamp_ms < 1500 or rung:
        return {}
    rung.append(frame.index)
    return {'events': [{'kind': 'rang'}]}`);
  await camera.open();
  await server.start("--allowed-hosts", ELSEWHERE, "--config", server.writeFile("kinora.toml", `[cameras.door]\nurl = "http://127.0.0.1:${camera.port}/"\n\n[cameras.gone]\nurl = "rtsp://127.0.0.1:1/"\n\n[webhooks.kept]\nurl = "http://127.0.0.1:9/"\nclip = {before_s = 1, after_s = 1}\n`));
  proxy = new Proxy(server.url);
  await proxy.open();
  browser = await launch("--use-fake-device-for-media-stream", `--host-resolver-rules=MAP ${ELSEWHERE} 127.0.0.1`);
});

afterAll(async () => {
  proxy.close();
  camera.close();
  await browser.close();
  await server.stop();
});

const own = (page: Page) => page.getByRole("radio", { name: "This browser’s camera" });
const bar = (page: Page) => page.getByRole("region", { name: "This browser’s camera" });

async function openForm(url: string, permissions: string[] = ["camera"]) {
  const opened = await openPage(browser, url);
  await opened.context.grantPermissions(permissions);
  await opened.page.getByRole("radio", { name: "Camera", exact: true }).check();
  return opened;
}

async function startOn(page: Page, plugin = "walker"): Promise<string> {
  await own(page).check();
  await page.getByLabel("What this browser’s camera sees").waitFor();
  await page.getByRole("button", { name: plugin, exact: true }).click();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await expect.poll(() => page.url()).toContain("#/jobs/");
  return /#\/jobs\/([^?]+)/.exec(page.url())?.[1] ?? "";
}

const shown = async (page: Page) => Number(await page.locator(".frame-renderer canvas[data-index]").getAttribute("data-index"));

test("the cameras that the operator placed are listed by name, with what is wrong", async () => {
  const { context, page, faults } = await openForm(server.url);
  await page.locator("label", { hasText: "gone" }).getByText(/^(refused|unreachable)$/).waitFor();
  await page.getByRole("radio", { name: /^door/ }).check();
  await expectSound(page);
  await page.getByRole("radio", { name: "Demo" }).check();
  await page.getByRole("radio", { name: "Camera", exact: true }).check();
  expect(await page.getByRole("radio", { name: /^door/ }).isChecked(), "the choice is kept").toBe(true);
  expect(await page.content()).not.toContain(String(camera.port));
  expect(faults).toEqual([]);
  await context.close();
});

test("this browser's camera is previewed, sent to a job at the slider's pace, and stopped", async () => {
  const { context, page, faults } = await openForm(server.url);
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByText("Choose a camera.").waitFor();
  await own(page).check();
  await expect.poll(() => page.locator(".browser-preview video").evaluate((video: HTMLVideoElement) => video.videoWidth)).toBeGreaterThan(0);
  await expectSound(page);
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByRole("button", { name: "zones", exact: true }).click();
  await page.getByRole("button", { name: "Options of zones" }).click();
  await page.getByRole("button", { name: "Draw on the picture" }).click();
  await page.locator(".editor-surface").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Remove zones" }).click();
  const jobId = await startOn(page);
  await expect.poll(() => shown(page)).toBeGreaterThan(10);
  await page.getByText(/^running · \d+ frames · [\d.]+ fps · for \d+ s$/).waitFor();
  expect(await page.getByRole("progressbar").count()).toBe(0);
  await page.locator("#fps-slider").fill("3");
  await bar(page).getByText(/^[2-4]\.\d a second/).waitFor();
  await expectSound(page);
  await page.getByRole("link", { name: "Plugins" }).click();
  const { frames_done: before } = await server.state();
  await expect.poll(async () => (await server.state()).frames_done, { message: "it goes on in other views" }).toBeGreaterThan(before + 3);
  await bar(page).getByRole("button", { name: "Stop the camera" }).click();
  await server.ended(jobId);
  expect((await server.state()).status).toBe("done");
  await expect.poll(() => bar(page).count()).toBe(0);
  expect(faults).toEqual([]);
  await context.close();
});

/** The colour of a video at the left, where the camera that the browser plays shows its background. */
const background = (video: Locator) => video.evaluate((element: HTMLVideoElement) => {
  const canvas = new OffscreenCanvas(1, 1);
  const context = canvas.getContext("2d");
  context?.drawImage(element, element.videoWidth / 8, element.videoHeight / 2, 8, 8, 0, 0, 1, 1);
  return [...(context?.getImageData(0, 0, 1, 1).data ?? [])];
});

test("the clip of what this browser's camera sent is played by the browser, in the camera's colours", async () => {
  const { context, page, faults } = await openForm(server.url);
  await own(page).check();
  const preview = page.locator(".browser-preview video");
  await expect.poll(() => preview.evaluate((video: HTMLVideoElement) => video.videoWidth)).toBeGreaterThan(0);
  const sent = await background(preview);
  await startOn(page, "bell");
  await page.getByRole("region", { name: "Events", exact: true }).getByRole("button", { name: /rang/ }).click();
  const clip = page.getByLabel("Clip of rang, number 1");
  await expect.poll(() => clip.evaluate((video: HTMLVideoElement) => video.duration), { timeout: 60_000 }).toBeGreaterThan(1);
  await clip.evaluate((video: HTMLVideoElement) => video.play());
  await expect.poll(() => clip.evaluate((video: HTMLVideoElement) => video.currentTime)).toBeGreaterThan(0.5);
  const seen = await background(clip);
  expect(Math.max(...seen.map((value, channel) => Math.abs(value - (sent[channel] ?? 0)))), `${seen.join()} for ${sent.join()}`).toBeLessThan(12);
  await bar(page).getByRole("button", { name: "Stop the camera" }).click();
  expect(faults).toEqual([]);
  await context.close();
});

test("a camera that was cut off comes back, and its job goes on", async () => {
  const { context, page, faults } = await openForm(proxy.url);
  const jobId = await startOn(page);
  await expect.poll(() => shown(page)).toBeGreaterThan(3);
  proxy.cut();
  await bar(page).getByText(/The connection was lost/).waitFor();
  proxy.mend();
  await bar(page).getByText("This browser’s camera is being sent").waitFor();
  const before = (await server.state()).frames_done;
  await expect.poll(async () => (await server.state()).frames_done).toBeGreaterThan(before + 3);
  await server.post(`/v1/jobs/${jobId}/cancel`);
  await expect.poll(() => bar(page).getByRole("button", { name: "Stop the camera" }).count(), { message: "the camera goes off with its job" }).toBe(0);
  expect(faults).toEqual([]);
  await context.close();
});

test("a job on a camera that a restart interrupted is resumed from its page", async () => {
  camera.picture = await somePicture();
  const jobId = await server.submit(["walker"], {}, { source: "camera:door" });
  const framesDone = async () => (await server.state()).frames_done;
  await expect.poll(framesDone).toBeGreaterThan(3);
  await server.kill();
  await server.start("--allowed-hosts", ELSEWHERE, "--config", join(server.folder, "kinora.toml"));
  await server.ended(jobId);
  const before = await framesDone();
  const { context, page, faults } = await openPage(browser, `${server.url}/#/jobs/${jobId}`);
  await page.getByText(/resume the job, and it goes on from now/).waitFor();
  await page.locator(".job-actions").getByRole("button", { name: "Resume" }).click();
  await expect.poll(() => shown(page), { message: "the page follows it again" }).toBeGreaterThan(before + 3);
  expect(await page.getByText(/resume the job/).count(), "what was wrong is over").toBe(0);
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await server.ended(jobId);
  expect(faults).toEqual([]);
  await context.close();
});

/** A picture of the server's own clip. */
async function somePicture(): Promise<Buffer> {
  const jobId = await server.submit(["walker"], { max_frames: 1 });
  await server.ended(jobId);
  return Buffer.from(await (await server.call(`/v1/jobs/${jobId}/frames/0.jpg`)).arrayBuffer());
}

test("a browser that was not allowed to use its camera says what to do", async () => {
  const { context, page, faults } = await openForm(server.url, []);
  await own(page).check();
  await page.getByText(/allow it beside the page's address/).waitFor();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByRole("alert").getByText(/allow it beside the page's address/).waitFor();
  await expectSound(page);
  expect(faults).toEqual([]);
  await context.close();
});

test("a page that is not over https nor local says that the browser gives it no camera", async () => {
  const { context, page, faults } = await openPage(browser, server.url.replace("127.0.0.1", ELSEWHERE));
  await page.getByRole("radio", { name: "Camera", exact: true }).check();
  await own(page).check();
  await page.getByText(/only to pages over https or localhost/).waitFor();
  expect(faults).toEqual([]);
  await context.close();
});
