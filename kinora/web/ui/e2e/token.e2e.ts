import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, openPage, type Watched } from "./kit/browser";
import { writePlugins } from "./kit/plugins";
import { Server } from "./kit/server";
import { expectSound } from "./kit/sound";

const server = new Server();
let browser: Browser;

beforeAll(async () => {
  writePlugins(server);
  await server.start("--token");
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

interface Token {
  id: string;
  token: string;
}

async function makeToken(name: string, role: "view" | "operate"): Promise<Token> {
  return (await (await server.call("/v1/tokens", "POST", { name, role })).json()) as Token;
}

const heading = (page: Page) => page.getByRole("heading", { name: "This server needs a token" });

async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
}

async function signedIn(token: string, fragment = ""): Promise<Watched> {
  const watched = await openPage(browser, server.url + fragment);
  await signIn(watched.page, token);
  await watched.page.getByText("Live", { exact: true }).waitFor();
  return watched;
}

test("the page asks for a token, says that a wrong one is wrong, waits for slow answers, and keeps a right one as a cookie only", async () => {
  const { context, page, faults } = await openPage(browser, server.url);
  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await heading(page).waitFor();
  await page.getByText("Where do I find one?").click();
  await page.getByText("kinora token link").waitFor();
  for (const wrong of ["kin_no", "kin_neither", "kin_nor_this"]) {
    await signIn(page, wrong);
    await page.getByRole("alert").getByText(/not one of this server's/).waitFor();
  }
  await signIn(page, "kin_last");
  await page.getByText("The server takes its time").waitFor();
  await page.getByRole("alert").waitFor();
  expect(asked.filter((path) => path.startsWith("/v1/") && path !== "/v1/session"), "nothing but the session is asked for").toEqual([]);
  await signIn(page, server.token);
  await page.getByText("Live", { exact: true }).waitFor();
  expect(await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie, location.href]))).not.toContain("kin_");
  expect(await page.content()).not.toContain(server.token);
  await page.reload();
  await page.getByText("Live", { exact: true }).waitFor();
  await page.getByRole("button", { name: "local" }).click();
  await page.getByText("may do everything").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await heading(page).waitFor();
  await page.reload();
  await heading(page).waitFor();
  expect(faults).toEqual([]);
  await context.close();
});

test("the questions for a token and about tokens have no fault, and nor has a watcher's page", async () => {
  const { context, page, faults } = await openPage(browser, `${server.url}/#/tokens`);
  await page.getByText("Where do I find one?").click();
  await expectSound(page);
  await signIn(page, server.token);
  await page.getByLabel("Whom or what it is for").fill("door");
  await page.getByRole("button", { name: "Make a token" }).click();
  const made = page.getByRole("region", { name: "The new token door" });
  await made.getByRole("button", { name: /^Make a link/ }).click();
  const link = await made.getByLabel("The link", { exact: true }).inputValue();
  await page.getByRole("button", { name: "Revoke door…" }).click();
  await page.getByRole("button", { name: "local", exact: true }).click();
  await expectSound(page);
  await page.goto(link);
  await page.getByText("You may watch", { exact: true }).waitFor();
  await page.getByRole("button", { name: "door", exact: true }).click();
  await expectSound(page);
  expect(faults).toEqual([]);
  await context.close();
});

test("a watcher sees all and is offered nothing that changes anything", async () => {
  const { token } = await makeToken("wall", "view");
  const jobId = await server.submit(["motion", "slow"]);
  const { context, page, faults } = await signedIn(token, `/#/jobs/${jobId}`);
  const refused: string[] = [];
  page.on("response", (answer) => answer.status() >= 400 && refused.push(`${answer.status()} ${answer.url()}`));
  await page.locator("canvas[data-index]").waitFor();
  await page.getByText("You may watch").waitFor();
  for (const name of ["Cancel", "Pause", "Run again…", "Delete", "Start"]) expect(await page.getByRole("button", { name, exact: true }).count(), name).toBe(0);
  expect(await page.getByRole("tab", { name: "New job" }).count()).toBe(0);
  await page.getByRole("tab", { name: "All jobs" }).click();
  await page.getByRole("checkbox", { name: /^Choose/ }).first().check();
  const actions = page.getByRole("group", { name: "Chosen jobs" });
  await actions.getByRole("button", { name: "Export" }).waitFor();
  for (const name of ["Cancel", "Delete"]) expect(await actions.getByRole("button", { name }).count()).toBe(0);
  await page.getByRole("link", { name: "Plugins" }).click();
  await page.getByRole("article", { name: "motion" }).waitFor();
  expect(await page.getByRole("button", { name: "Search again" }).count()).toBe(0);
  await page.evaluate(() => (location.hash = "#/"));
  await page.getByText("You may watch: open a job from the list.").waitFor();
  await page.evaluate(() => (location.hash = "#/tokens"));
  await page.getByText("Tokens are made and revoked by those who").waitFor();
  expect(refused).toEqual([]);
  expect(faults).toEqual([]);
  await server.post(`/v1/jobs/${jobId}/cancel`);
  await context.close();
});

test("tokens are made, told once with a link that signs in, listed and revoked after a question", async () => {
  const { context, page, faults } = await signedIn(server.token, "/#/tokens");
  await page.getByLabel("Whom or what it is for").fill("hall");
  await page.getByRole("button", { name: "Make a token" }).click();
  const made = page.getByRole("region", { name: "The new token hall" });
  const token = await made.getByLabel("The token", { exact: true }).inputValue();
  expect(token).toMatch(/^kin_/);
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await made.getByRole("button", { name: "Copy the token" }).click();
  await made.getByText("Copied.").waitFor();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(token);
  await made.getByRole("button", { name: /^Make a link/ }).click();
  const link = await made.getByLabel("The link", { exact: true }).inputValue();
  await made.getByRole("button", { name: "I have copied it" }).click();
  expect(await page.content()).not.toContain(token);
  const guest = await openPage(browser, link);
  await guest.page.getByText("You may watch", { exact: true }).waitFor();
  expect(guest.page.url()).not.toContain("code");
  const row = page.getByRole("listitem", { name: "hall" });
  await row.getByText("view").waitFor();
  await page.getByLabel("Whom or what it is for").fill("hall");
  await page.getByRole("button", { name: "Make a token" }).click();
  await page.getByRole("form", { name: "New token" }).getByRole("alert").waitFor();
  await row.getByRole("button", { name: "Revoke hall…" }).click();
  await row.getByRole("button", { name: "Keep it" }).click();
  await row.getByRole("button", { name: "Revoke hall…" }).click();
  await row.getByRole("button", { name: "Revoke hall", exact: true }).click();
  await row.waitFor({ state: "detached" });
  await heading(guest.page).waitFor();
  await page.getByRole("listitem", { name: "local" }).getByText("this page uses it").waitFor();
  expect(faults).toEqual([]);
  await guest.context.close();
  await context.close();
});

test("a page whose token is revoked asks for another one, goes on where it was, and nothing connects meanwhile", async () => {
  const { id, token } = await makeToken("brief", "operate");
  const jobId = await server.submit(["motion", "slow"]);
  const { context, page, faults } = await signedIn(token, `/#/jobs/${jobId}`);
  await page.locator("canvas[data-index]").waitFor();
  await server.call(`/v1/tokens/${id}`, "DELETE");
  await page.getByText(/^You are signed out: your token was revoked/).waitFor();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("websocket", (socket) => asked.push(socket.url()));
  await signIn(page, token);
  await page.getByRole("alert").getByText(/was revoked/).waitFor();
  expect(asked.filter((url) => /^ws|\/v1\/(?!session$)/.test(url))).toEqual([]);
  await signIn(page, server.token);
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByText(/^cancelled/).first().waitFor();
  expect(page.url()).toContain(jobId);
  expect(faults).toEqual([]);
  await context.close();
});
