import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { whyNoCameras, refusalInWords } from "../src/camera/refusals";
import { PushClient, type PushSocket, type PushState } from "../src/camera/PushClient";

/** The browser's side of a WebSocket; the test plays the server. */
class Line implements PushSocket {
  bufferedAmount = 0;
  readyState = 0;
  readonly sent: unknown[] = [];
  onopen: PushSocket["onopen"] = null;
  onmessage: PushSocket["onmessage"] = null;
  onclose: PushSocket["onclose"] = null;

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(): void {
    this.readyState = 3;
  }

  opened(): void {
    this.readyState = 1;
    this.onopen?.call(this as unknown as WebSocket, new Event("open"));
  }

  says(message: object): void {
    this.onmessage?.call(this as unknown as WebSocket, new MessageEvent("message", { data: JSON.stringify(message) }));
  }

  closed(code: number, reason = ""): void {
    this.readyState = 3;
    this.onclose?.call(this as unknown as WebSocket, new CloseEvent("close", { code, reason }));
  }

  get pictures(): number {
    return this.sent.filter((data) => data instanceof Blob).length;
  }
}

const lines: Line[] = [];
let state: PushState | null = null;
let over = false;
let fps = 10;
let picture: Blob | null = new Blob(["jpeg"]);

function push(): PushClient {
  return new PushClient({
    url: "ws://server/v1/jobs/a/push",
    take: () => Promise.resolve(picture),
    fps: () => fps,
    isOver: () => Promise.resolve(over),
    onState: (next) => (state = next),
    openSocket: () => {
      const line = new Line();
      lines.push(line);
      return line;
    },
  });
}

beforeEach(() => {
  vi.useFakeTimers();
  lines.length = 0;
  [state, over, fps, picture] = [null, false, 10, new Blob(["jpeg"])];
});
afterEach(() => void vi.useRealTimers());

test("pictures go out at the pace that is chosen, also when that changes", async () => {
  push();
  lines[0]?.opened();
  await vi.advanceTimersByTimeAsync(2000);
  expect(lines[0]?.pictures).toBeGreaterThanOrEqual(19);
  expect(lines[0]?.pictures).toBeLessThanOrEqual(21);
  fps = 2;
  const before = lines[0]?.pictures ?? 0;
  await vi.advanceTimersByTimeAsync(2000);
  expect((lines[0]?.pictures ?? 0) - before).toBeLessThanOrEqual(5);
});

test("a camera without a new picture sends none twice", async () => {
  push();
  lines[0]?.opened();
  await vi.advanceTimersByTimeAsync(500);
  picture = null;
  const before = lines[0]?.pictures;
  await vi.advanceTimersByTimeAsync(500);
  expect(lines[0]?.pictures).toBe(before);
});

test("while the network is slow pictures are left out and counted, and what the server drops is told", async () => {
  push();
  const line = lines[0];
  line?.opened();
  await vi.advanceTimersByTimeAsync(50);
  if (line) line.bufferedAmount = 1e6;
  const before = line?.pictures;
  await vi.advanceTimersByTimeAsync(1000);
  expect(line?.pictures).toBe(before);
  expect(state?.skipped).toBeGreaterThanOrEqual(9);
  line?.says({ type: "ack", index: 7, dropped: 3 });
  expect(state).toMatchObject({ dropped: 3, fault: null });
  line?.says({ type: "error", message: "A picture must have at most 16 MiB." });
  expect(state?.fault).toMatch(/16 MiB/);
});

test("one that was cut off comes back", async () => {
  push();
  lines[0]?.opened();
  lines[0]?.closed(1006);
  expect(state?.step).toBe("lost");
  await vi.advanceTimersByTimeAsync(1000);
  lines[1]?.closed(1006);
  await vi.advanceTimersByTimeAsync(1000);
  lines[2]?.opened();
  await vi.advanceTimersByTimeAsync(300);
  expect(state?.step).toBe("sending");
  expect(lines[2]?.pictures).toBeGreaterThan(1);
});

test("it gives up after the 30 s for which the server waits, or when the job has ended", async () => {
  push();
  lines[0]?.opened();
  lines[0]?.closed(1006);
  for (let second = 0; second < 32; second++) {
    await vi.advanceTimersByTimeAsync(1000);
    lines.at(-1)?.closed(1006);
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(state).toMatchObject({ step: "over", fault: expect.stringMatching(/30 s/) as string });
  push();
  over = true;
  lines.at(-1)?.closed(1006);
  await vi.advanceTimersByTimeAsync(1);
  expect(state).toMatchObject({ step: "over", fault: "The job has ended." });
});

test("at the end the server is told, and has taken the last picture", async () => {
  const client = push();
  lines[0]?.opened();
  await vi.advanceTimersByTimeAsync(300);
  client.end();
  expect(lines[0]?.sent.at(-1)).toBe('{"type":"end"}');
  expect(state?.step).toBe("ending");
  const sent = lines[0]?.sent.length;
  await vi.advanceTimersByTimeAsync(500);
  expect(lines[0]?.sent.length).toBe(sent);
  lines[0]?.closed(1000);
  expect(state).toMatchObject({ step: "over", fault: null });
});

test.each([
  [1000, "", null],
  [4003, "", "Another client sends pictures to this job: stop that one first."],
  [1008, "You may only watch.", "You may only watch."],
])("a close with %s is for good", async (code, reason, fault) => {
  push();
  lines[0]?.opened();
  lines[0]?.closed(code, reason);
  await vi.advanceTimersByTimeAsync(5000);
  expect(state).toMatchObject({ step: "over", fault });
  expect(lines).toHaveLength(1);
});

test("a browser that gives no camera is explained in a sentence that says what to do", () => {
  vi.stubGlobal("isSecureContext", false);
  expect(whyNoCameras()).toMatch(/only to pages over https or localhost/);
  vi.unstubAllGlobals();
  expect(refusalInWords(new DOMException("", "NotAllowedError"))).toMatch(/allow it/);
  expect(refusalInWords(new DOMException("", "NotFoundError"))).toMatch(/no camera/);
  expect(refusalInWords(new DOMException("", "NotReadableError"))).toMatch(/other program/);
  expect(refusalInWords(new Error("odd"))).toBe("The camera could not be started: odd");
});
