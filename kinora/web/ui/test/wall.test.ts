import { expect, test } from "vitest";
import { RealtimeClient } from "../src/realtime/RealtimeClient";
import { layoutOf } from "../src/wall/layout";
import { paceOf } from "../src/wall/pace";
import { RateMeter } from "../src/ui/RateMeter";
import { TileFrames } from "../src/wall/TileFrames";
import { WallFeed } from "../src/wall/WallFeed";
import { framePayload } from "./examples";
import { FakeSocket } from "./realtime/FakeSocket";

test.each([
  [1, { columns: 1, rows: 1, narrow: 1 }],
  [2, { columns: 2, rows: 1, narrow: 1 }],
  [4, { columns: 2, rows: 2, narrow: 1 }],
  [5, { columns: 3, rows: 2, narrow: 2 }],
  [9, { columns: 3, rows: 3, narrow: 2 }],
  [16, { columns: 4, rows: 4, narrow: 2 }],
  [50, { columns: 4, rows: 4, narrow: 2 }],
])("%s tiles", (tiles, layout) => expect(layoutOf(tiles)).toEqual(layout));

test("the more tiles there are, the fewer pictures each of them gets", () => {
  expect([0, 1, 4, 9, 16, 100].map(paceOf)).toEqual([12, 12, 10, 4, 2, 1]);
});

test("frames per second are those of the last seconds", () => {
  const meter = new RateMeter();
  expect(meter.add(0, 100)).toBeNull();
  expect(meter.add(1000, 125)).toBe(25);
  for (let second = 2; second <= 10; second++) meter.add(1000 * second, 125);
  expect(meter.add(11_000, 125)).toBe(0);
});

test("a tile shows a picture with its own results, the newest one that has them", () => {
  let news = 0;
  const tile = new TileFrames(() => news++);
  const jpeg = (index: number) => ({ jobId: "a", index, jpeg: new Blob([String(index)]) });
  tile.addPicture(jpeg(3));
  expect(tile.newest()).toBeNull();
  tile.addFrame(framePayload({ index: 3, data: { detections: [] } }));
  tile.addPicture(jpeg(4));
  expect(tile.newest()?.frame).toMatchObject({ index: 3, results: { people: { detections: [] } } });
  expect(news).toBe(3);
});

test("of pictures without results a tile keeps a few", () => {
  const tile = new TileFrames(() => undefined);
  for (let index = 0; index < 500; index++) tile.addPicture({ jobId: "a", index, jpeg: new Blob() });
  tile.addFrame(framePayload({ index: 483 }));
  expect(tile.newest()).toBeNull();
  tile.addFrame(framePayload({ index: 484 }));
  expect(tile.newest()?.frame.index).toBe(484);
});

test("pictures come for the tiles in view only, on one connection, which ends with the last of them", async () => {
  const sockets: FakeSocket[] = [];
  const feed = new WallFeed((handlers) => new RealtimeClient({
    url: "ws://server/v1/realtime",
    sessionId: "s",
    ...handlers,
    openSocket: (url) => {
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return socket;
    },
  }));
  const tiles = ["a", "b"].map((id) => ({ id, frames: new TileFrames(() => undefined) }));
  const hide = tiles.map(({ id, frames }) => feed.show(id, frames));
  await Promise.resolve();
  const query = sockets[0]?.query;
  expect([query?.getAll("job_id"), query?.get("types"), query?.get("images"), query?.get("max_fps")]).toEqual([["a", "b"], "frame", "binary", "12"]);
  sockets[0]?.open();
  hide[0]?.();
  await Promise.resolve();
  expect(sockets[0]?.sent.at(-1)).toMatchObject({ type: "subscribe", payload: { job_id: ["b"] } });
  hide[1]?.();
  await Promise.resolve();
  expect(sockets.map(({ closedWith }) => closedWith)).toEqual([1000]);
});
