import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { RealtimeMessage } from "../../src/api/generated";
import type { BinaryPicture } from "../../src/realtime/binaryPicture";
import { RealtimeClient, type ConnectionInfo } from "../../src/realtime/RealtimeClient";
import { framePayload, message } from "../examples";
import { FakeSocket } from "./FakeSocket";

const SESSION = "0c9f7a34-3f0e-4f57-8a6c-0d5f4a1b2c3d";

function setUp(whyNot: () => Promise<"off" | "refused" | null> = () => Promise.resolve(null)) {
  const sockets: FakeSocket[] = [];
  const messages: RealtimeMessage[] = [];
  const states: ConnectionInfo[] = [];
  const pictures: BinaryPicture[] = [];
  const client = new RealtimeClient({
    url: "ws://server/v1/realtime",
    sessionId: SESSION,
    onMessage: (each) => messages.push(each),
    onState: (info) => states.push(info),
    onPicture: (picture) => pictures.push(picture),
    openSocket: (url) => {
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return socket;
    },
    whyNot,
    random: () => 0.5,
  });
  const socket = () => {
    const last = sockets.at(-1);
    if (!last) throw new Error("no socket was opened");
    return last;
  };
  return { client, sockets, socket, messages, states, pictures };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("states", () => {
  test("it is IDLE before, CONNECTING while and CONNECTED after the socket opens", () => {
    const { client, socket } = setUp();
    expect(client.info.state).toBe("IDLE");
    client.connect();
    expect(client.info.state).toBe("CONNECTING");
    socket().open();
    expect(client.info.state).toBe("CONNECTED");
  });

  test("a lost connection is DISCONNECTED, then RECONNECTING, then CONNECTED", () => {
    const { client, socket, states } = setUp();
    client.connect();
    socket().open();
    socket().drop();
    vi.advanceTimersByTime(1000);
    socket().open();
    expect(states.map(({ state }) => state)).toEqual(["CONNECTING", "CONNECTED", "DISCONNECTED", "RECONNECTING", "CONNECTED"]);
  });

  test("attempts are made after 1, 2, 4, 8, 16 and 16 seconds", () => {
    const { client, sockets, socket } = setUp();
    client.connect();
    socket().open();
    for (const seconds of [1, 2, 4, 8, 16, 16]) {
      const before = sockets.length;
      socket().drop();
      vi.advanceTimersByTime(seconds * 1000 - 1);
      expect(sockets).toHaveLength(before);
      vi.advanceTimersByTime(1);
      expect(sockets).toHaveLength(before + 1);
    }
  });

  test("the wait varies by up to a fifth between clients", async () => {
    const { backoffMs } = await import("../../src/realtime/backoff");
    expect([backoffMs(2, () => 0), backoffMs(2, () => 0.5), backoffMs(2, () => 1)]).toEqual([3200, 4000, 4800]);
  });

  test("after five failed attempts it is given up but goes on trying, and recovers when one succeeds", () => {
    const { client, socket } = setUp();
    client.connect();
    for (let i = 0; i < 5; i++) {
      expect(client.info.givenUp).toBe(false);
      socket().drop();
      if (i < 4) vi.advanceTimersByTime(16_000);
    }
    expect(client.info.givenUp).toBe(true);
    vi.advanceTimersByTime(16_000);
    socket().open();
    expect(client.info).toMatchObject({ state: "CONNECTED", givenUp: false, attempts: 0 });
  });

  test("closed with 4002 it does not reconnect: another connection has this session", () => {
    const { client, sockets, socket } = setUp();
    client.connect();
    socket().open();
    socket().drop(4002);
    vi.advanceTimersByTime(60_000);
    expect(client.info).toMatchObject({ state: "CLOSED", closed: "replaced" });
    expect(sockets).toHaveLength(1);
  });

  test("it does not come back where the server lets it in no longer, by 1008 or by a refusal", async () => {
    const revoked = setUp();
    revoked.client.connect();
    revoked.socket().open();
    revoked.socket().drop(1008);
    const refused = setUp(() => Promise.resolve("refused"));
    refused.client.connect();
    refused.socket().drop();
    await vi.advanceTimersByTimeAsync(600_000);
    for (const { client, sockets } of [revoked, refused]) {
      expect(client.info).toMatchObject({ state: "CLOSED", closed: "refused" });
      expect(sockets).toHaveLength(1);
    }
  });

  test("if realtime is off it closes instead of trying forever", async () => {
    const { client, sockets, socket } = setUp(() => Promise.resolve("off"));
    client.connect();
    socket().drop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(client.info).toMatchObject({ state: "CLOSED", closed: "off" });
    expect(sockets).toHaveLength(1);
  });

  test("close ends the connection and every planned attempt", () => {
    const { client, sockets, socket, messages } = setUp();
    client.connect();
    socket().open();
    client.close();
    socket().receive(message("ping", { interval_seconds: 30 }));
    vi.advanceTimersByTime(60_000);
    expect(client.info.state).toBe("CLOSED");
    expect(socket().closedWith).toBe(1000);
    expect(sockets).toHaveLength(1);
    expect(messages).toHaveLength(0);
  });

  test("when the network is back it reconnects at once", () => {
    const { client, sockets, socket } = setUp();
    client.connect();
    socket().open();
    socket().drop();
    client.retryNow();
    expect(client.info.state).toBe("RECONNECTING");
    expect(sockets).toHaveLength(2);
  });

  test("a connection that is silent for 75 s is taken to be lost", () => {
    const { client, socket } = setUp();
    client.connect();
    socket().open();
    vi.advanceTimersByTime(74_999);
    expect(client.info.state).toBe("CONNECTED");
    vi.advanceTimersByTime(1);
    expect(client.info.state).toBe("DISCONNECTED");
  });
});

describe("messages", () => {
  test("it reconnects with the last id it saw, in the same session", () => {
    const { client, socket } = setUp();
    client.connect();
    expect(socket().query.get("last_event_id")).toBeNull();
    socket().open();
    socket().receive(message("frame", framePayload(), "x1-41"));
    socket().drop();
    vi.advanceTimersByTime(1000);
    expect(socket().query.get("last_event_id")).toBe("x1-41");
    expect(socket().query.get("session_id")).toBe(SESSION);
  });

  test("a message that comes twice is passed on once; one sent to this client alone, with a known id, is passed on too", () => {
    const { client, socket, messages } = setUp();
    client.connect();
    socket().open();
    const ids = ["a-1", "a-2", "a-2", "a-1", "a-3"];
    for (const id of ids) socket().receive(message("frame", framePayload(), id));
    socket().receive(message("gap", { from: "a-1", to: "a-2", reason: "slow" }, "a-3"));
    expect(messages.map(({ type, id }) => `${type} ${id}`)).toEqual(["frame a-1", "frame a-2", "frame a-3", "gap a-3"]);
  });

  test("after a restart of the server its ids start anew, and its messages are new", () => {
    const { client, socket, messages } = setUp();
    client.connect();
    socket().open();
    socket().receive(message("frame", framePayload(), "old-900"));
    socket().receive(message("frame", framePayload(), "new-1"));
    expect(messages).toHaveLength(2);
  });

  test("a ping is answered", () => {
    const { client, socket } = setUp();
    client.connect();
    socket().open();
    socket().receive(message("ping", { interval_seconds: 30 }));
    expect(socket().sent).toEqual([{ type: "pong", payload: {} }]);
  });

  test("a choice of messages is sent at once, and again with the next connection", () => {
    const { client, socket } = setUp();
    client.connect();
    socket().open();
    client.subscribe({ max_fps: 5 });
    expect(socket().sent).toEqual([{ type: "subscribe", payload: { max_fps: 5 } }]);
    socket().drop();
    vi.advanceTimersByTime(1000);
    expect(socket().query.get("max_fps")).toBe("5");
  });

  test("data that is not a message is ignored", () => {
    const { client, socket, messages } = setUp();
    client.connect();
    socket().open();
    for (const odd of [null, 7, {}, { type: "news", payload: {}, id: "a-1" }]) socket().receive(odd);
    expect(messages).toHaveLength(0);
  });

  test("a binary message is a picture with its job and index", () => {
    const { client, socket, pictures } = setUp();
    client.connect();
    socket().open();
    const header = new TextEncoder().encode(JSON.stringify({ type: "frame_image", job_id: "j", index: 7, format: "jpeg" }));
    const data = new Uint8Array(4 + header.length + 3);
    new DataView(data.buffer).setUint32(0, header.length);
    data.set(header, 4);
    data.set([0xff, 0xd8, 0xff], 4 + header.length);
    socket().receive(data.buffer);
    expect(pictures).toHaveLength(1);
    expect(pictures[0]).toMatchObject({ jobId: "j", index: 7 });
    expect(pictures[0]?.jpeg).toMatchObject({ size: 3, type: "image/jpeg" });
  });
});
