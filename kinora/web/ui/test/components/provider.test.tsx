import { act, render, screen } from "@testing-library/react";
import { Profiler } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { CompletePayload } from "../../src/api/generated";
import { ConnectionBadge } from "../../src/header/ConnectionBadge";
import { useRealtime, useRealtimeContext } from "../../src/realtime/RealtimeContext";
import { RealtimeProvider } from "../../src/realtime/RealtimeProvider";
import { job, JOB_ID, message } from "../examples";
import { FakeSocket } from "../realtime/FakeSocket";

let sockets: FakeSocket[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  vi.stubGlobal("WebSocket", function open(url: string) {
    const socket = new FakeSocket(url);
    sockets.push(socket);
    return socket;
  });
  vi.stubGlobal("fetch", vi.fn<typeof fetch>().mockImplementation(() => Promise.resolve(Response.json(job({ progress: 55 })))));
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const onRender = vi.fn();

function Progress() {
  const progress = useRealtime((state) => state.progress);
  return <output>{progress}</output>;
}

function Watch() {
  const { dispatch } = useRealtimeContext();
  return <button type="button" onClick={() => dispatch({ type: "watch", jobId: JOB_ID })}>watch</button>;
}

function show() {
  render(
    <RealtimeProvider>
      <ConnectionBadge />
      <Profiler id="progress" onRender={onRender}>
        <Progress />
      </Profiler>
      <Watch />
    </RealtimeProvider>,
  );
}

function progress(value: number, id: string) {
  return message("progress", { job_id: JOB_ID, progress: value, stage: "running", plugin: null, frames_done: value, frames_total: 100 }, id);
}

test("messages reach the components, with one render for all that came within a tenth of a second", async () => {
  show();
  act(() => sockets[0]?.open());
  act(() => screen.getByText("watch").click());
  await act(() => vi.advanceTimersByTimeAsync(50));
  expect(screen.getByText("55")).toBeDefined();
  onRender.mockClear();
  await act(async () => {
    for (let i = 56; i < 90; i++) sockets[0]?.receive(progress(i, `a-${i}`));
    await vi.advanceTimersByTimeAsync(120);
  });
  expect(screen.getByText("89")).toBeDefined();
  expect(onRender).toHaveBeenCalledTimes(1);
});

test("when realtime is off, the page polls and says so", async () => {
  vi.mocked(fetch).mockImplementation((url) =>
    Promise.resolve(url === "/v1/realtime" ? new Response(null, { status: 404 }) : Response.json(job({ progress: 77 }))),
  );
  show();
  act(() => screen.getByText("watch").click());
  act(() => sockets[0]?.drop());
  await act(() => vi.advanceTimersByTimeAsync(100));
  expect(screen.getByText(/Not live: realtime is off/)).toBeDefined();
  expect(screen.getByText("77")).toBeDefined();
  const calls = vi.mocked(fetch).mock.calls.length;
  await act(() => vi.advanceTimersByTimeAsync(3100));
  expect(vi.mocked(fetch).mock.calls.length - calls).toBe(3);
  expect(sockets.filter(({ readyState }) => readyState < 3)).toEqual([]);
});

test("frames, events and pictures come for the watched job only, on a connection that ends with it", async () => {
  show();
  act(() => sockets[0]?.open());
  expect(sockets[0]?.query.get("types")).not.toContain("frame");
  act(() => screen.getByText("watch").click());
  await act(() => vi.advanceTimersByTimeAsync(50));
  const query = sockets[1]?.query;
  const asked = ["job_id", "types", "images", "max_fps"].map((name) => query?.get(name));
  expect(asked).toEqual([JOB_ID, "frame,event", "binary", "30"]);
  const complete: CompletePayload = { job_id: JOB_ID, status: "done", frames: 100, duration_ms: 1000, warnings_count: 0 };
  act(() => sockets[0]?.receive(message("complete", complete, "a-200")));
  await act(() => vi.advanceTimersByTimeAsync(120));
  expect(sockets[1]?.closedWith).toBe(1000);
  expect(sockets).toHaveLength(2);
});

test("each page load has its own session", () => {
  show();
  const first = sockets[0]?.query.get("session_id");
  expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  show();
  expect(sockets[1]?.query.get("session_id")).not.toBe(first);
});
