import { render, screen, within } from "@testing-library/react";
import { expect, onTestFinished, test, vi } from "vitest";
import { AgentsPage } from "../src/agents/AgentsPage";
import { barsOf, fleetLine, originOf, thingsOf } from "../src/agents/agentWords";
import type { AgentList, LostAgent } from "../src/api/generated";
import { JobStatus } from "../src/controls/JobStatus";
import { AGENTS, JOB } from "../src/kit/examples";
import { RUNNING_JOB } from "../src/kit/watched";
import { stageInWords } from "../src/overlay/EmptyStage";
import { RealtimeContext } from "../src/realtime/RealtimeContext";
import { reduce } from "../src/realtime/reducer";
import { INITIAL_STATE, watching } from "../src/realtime/state";
import { job, JOB_ID } from "./examples";

const [north, south] = AGENTS;
if (north === undefined || south === undefined) throw new Error("there are two examples");
const GONE: LostAgent = { id: "west-1", name: "west", kind: "joined", host: "west", lost_at: "2026-11-26T18:00:00.000Z", left: false, reason: "Its lease ended without a word of it.", jobs: [] };

function serve(list: AgentList): void {
  vi.stubGlobal("fetch", (url: string) => Promise.resolve(Response.json(url.includes("/v1/agents") ? list : { jobs: [JOB], next_cursor: null })));
  onTestFinished(() => void vi.unstubAllGlobals());
}

test("without agents the page says where jobs run, and how to start one", async () => {
  serve({ agents: [], lost: [] });
  render(<AgentsPage />);
  expect(await screen.findByText("Jobs run in the server itself.")).toBeDefined();
  expect(screen.getByText("kinora serve --agents 2")).toBeDefined();
});

test("each agent has its jobs as links, its load, the plugins that differ, and why it gets none", async () => {
  serve({ agents: [...AGENTS], lost: [GONE] });
  render(<AgentsPage />);
  const article = within(await screen.findByRole("article", { name: "north" }));
  const link = article.getByRole("link", { name: JOB.source });
  expect(link.getAttribute("href")).toBe(`#/jobs/${JOB.job_id}`);
  expect(article.getByText("busy")).toBeDefined();
  expect(article.getByText("All its places are taken.")).toBeDefined();
  expect(article.getByRole("meter", { name: "Cores in use" }).getAttribute("aria-valuenow")).toBe("40");
  expect(article.getByText(/1 plugin not as on the server/)).toBeDefined();
  const away = within(screen.getByRole("article", { name: "south" }));
  expect(away.getByText(/It counts as lost at/)).toBeDefined();
  expect(away.queryByRole("meter", { name: "Memory" })).toBeNull();
  expect(screen.getByText("Its lease ended without a word of it.")).toBeDefined();
});

test("what agents have is told in words", () => {
  expect(fleetLine([])).toBe("");
  expect(fleetLine([north])).toBe("1 agent · 1 job on 1 place · 3.2 of 8 cores in use");
  expect(originOf(north)).toBe("on north.example, joined by itself");
  expect(originOf({ ...north, host: "north", kind: "ray" })).toBe("started by Ray");
  expect(thingsOf(north)).toEqual(["cuda:0 NVIDIA L4", "0.5 of 1 GPU free", "1 of 2 licence free"]);
  expect(barsOf({ ...north, cpus: 0 }).map(({ share }) => share)).toEqual([1, 0, 0, 0.04375]);
});

test("a job that waits says what it lacks, in place of its turn", () => {
  const waiting = (change: object) => stageInWords(reduce(watching(INITIAL_STATE, JOB_ID), { type: "job", job: job({ status: "queued", stage: "queued", queue_position: 2, ...change }) })).words;
  expect(waiting({ waiting_for: "No agent has 2 GPUs." })).toBe("No agent has 2 GPUs.");
  expect(waiting({})).toBe("Number 2 in the queue.");
});

test("a job that runs on an agent leads to the page with all of them", () => {
  render(<RealtimeContext value={RUNNING_JOB}><JobStatus onRunAgain={() => undefined} onDeleted={() => undefined} /></RealtimeContext>);
  expect(screen.getByRole("link", { name: "north-1" }).getAttribute("href")).toBe("#/agents");
});
