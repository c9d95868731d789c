/** A real server with its own data folder. */
import { spawn, type ChildProcess } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { bitmap } from "./bitmap";

const ROOT = resolve(import.meta.dirname, "../../../../..");
const KINORA = process.env.E2E_COMMAND ?? join(ROOT, ".venv/bin/kinora");
const FOOTAGE = resolve(ROOT, "../shared/data");

/** The source of the jobs: real footage if it is there, otherwise the built-in clip. */
export const SOURCE = existsSync(join(FOOTAGE, "people.mp4")) ? "people.mp4" : "demo:";

export class Server {
  readonly folder = mkdtempSync(join(tmpdir(), "kinora-e2e-"));
  readonly #plugins = join(this.folder, "plugins");
  readonly #media = join(this.folder, "media");
  #process: ChildProcess | null = null;
  #port = 0;
  url = "";
  /** The server's own token, with which the methods here call it; empty where none is needed. */
  token = "";

  /** Start the server, or restart it at the same address with the same data. */
  async start(...flags: string[]): Promise<void> {
    mkdirSync(this.#media, { recursive: true });
    if (SOURCE !== "demo:") copyFileSync(join(FOOTAGE, SOURCE), join(this.#media, SOURCE));
    const args = ["serve", "--port", String(this.#port), "--data-dir", join(this.folder, "data"), "--media-dir", this.#media];
    if (existsSync(this.#plugins)) args.push("--plugins-dir", this.#plugins);
    const child = spawn(KINORA, [...args, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    this.url = await servingUrl(child);
    this.#port = Number(new URL(this.url).port);
    const file = join(this.folder, "data", "token");
    this.token = flags.includes("--token") ? readFileSync(file, "utf8").trim() : "";
  }

  /** Write a plugin for the test; call this before `start`. */
  writePlugin(name: string, body: string): void {
    mkdirSync(this.#plugins, { recursive: true });
    writeFileSync(join(this.#plugins, `${name}.py`), `import os\nimport time\nfrom kinora.plugins import tool\n\n${body}\n`);
  }

  /** Write a file beside the data folder, and return its path; call this before `start`. */
  writeFile(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** Make a source of `count` pictures of one colour. */
  writePictures(name: string, count: number, red: number, green: number, blue: number, { width, height } = { width: 64, height: 48 }): void {
    mkdirSync(join(this.#media, name), { recursive: true });
    for (let i = 0; i < count; i++) writeFileSync(join(this.#media, name, `${1000 + i}.bmp`), bitmap(width, height, [red, green, blue]));
  }

  removePictures(name: string): void {
    rmSync(join(this.#media, name), { recursive: true });
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (child?.exitCode !== null) return;
    const gone = new Promise((done) => child.once("exit", done));
    child.kill("SIGKILL");
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async get<T>(path: string): Promise<T> {
    return (await (await this.call(path)).json()) as T;
  }

  call(path: string, method = "GET", body?: object): Promise<Response> {
    const headers = new Headers(body && { "content-type": "application/json" });
    if (this.token !== "") headers.set("authorization", `Bearer ${this.token}`);
    return fetch(this.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  }

  /** Start a job and return its id. */
  async submit(plugins: (string | object)[], options: object = {}, other: object = {}): Promise<string> {
    const response = await this.call("/v1/jobs", "POST", { source: SOURCE, plugins, options, ...other });
    const answer = (await response.json()) as { job_id?: string; detail?: string };
    if (answer.job_id === undefined) throw new Error(answer.detail);
    return answer.job_id;
  }

  /** The state of the newest job. */
  async state(): Promise<{ job_id: string; status: string; frames_done: number }> {
    const { jobs } = await this.get<{ jobs: { job_id: string; status: string; frames_done: number }[] }>("/v1/jobs?limit=1");
    if (!jobs[0]) throw new Error("The server has no jobs.");
    return jobs[0];
  }

  async post(path: string): Promise<void> {
    await this.call(path, "POST");
  }

  async ended(jobId: string): Promise<void> {
    const states = ["done", "failed", "cancelled", "interrupted"];
    while (!states.includes((await this.get<{ status: string }>(`/v1/jobs/${jobId}/extended?limit=0`)).status)) {
      await new Promise((next) => setTimeout(next, 200));
    }
  }
}

function servingUrl(child: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    const said: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      createInterface(stream).on("line", (line) => {
        said.push(line);
        const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
        if (url !== undefined) found(url);
      });
    }
    child.once("error", failed);
    child.once("exit", (code) => failed(new Error(`The server ended with ${code}: ${said.join("\n")}`)));
  });
}
