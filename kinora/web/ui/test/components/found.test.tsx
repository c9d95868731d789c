import { fireEvent, render, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import type { ClipState, EventPayload, FrameData, Json } from "../../src/api/generated";
import { ChosenEvent } from "../../src/inspector/ChosenEvent";
import { FramePane } from "../../src/inspector/FramePane";
import { Player } from "../../src/player/Player";
import { PlayerContext } from "../../src/player/PlayerContext";
import { Column } from "../../src/player/Columns";
import type { CellKind } from "../../src/player/cells";
import { RealtimeStore } from "../../src/realtime/RealtimeStore";
import { Cell } from "../../src/results/Cell";
import { frame, JOB_ID } from "../examples";

function pane(shown: FrameData): HTMLElement {
  const player = new Player(JOB_ID, new RealtimeStore());
  player.shown.set(shown);
  render(<PlayerContext value={player}><FramePane /></PlayerContext>);
  return screen.getByRole("region", { name: "This frame" });
}

test("the pane lists the classes of the whole picture and the texts, and says so if there is nothing", () => {
  pane(frame(0, { animals: { classes: [{ class: "cat", confidence: 0.934 }, { class: "indoors" }] }, reader: { text: "EXIT 7" }, empty: { metrics: { a: 1 } } }));
  const list = screen.getByRole("list", { name: "Classes of the picture by animals" });
  expect([...list.children].map((item) => item.textContent)).toEqual(["cat93%", "indoors"]);
  expect(screen.getByText("EXIT 7").tagName).toBe("Q");
  expect(screen.queryByText("No detections.")).toBeNull();
  expect(screen.queryByRole("heading", { name: "empty" })).toBeNull();
});

test("a frame without anything found says so", () => {
  pane(frame(0, { empty: { metrics: { a: 1 } } }));
  expect(screen.getByText("No detections.")).toBeDefined();
});

test.each<[string, CellKind, number, Json, string]>([
  ["classes", "classes", 0.9, { classes: [{ class: "cat", confidence: 0.9 }, { class: "dog", confidence: 0.04 }] }, "cat 90%, dog 4%"],
  ["polygons", "listed", 2, { polygons: [{ points: [], label: "door" }, { points: [], label: "yard" }] }, "2 door, yard"],
  ["events", "listed", 3, { events: [{ kind: "entered" }, { kind: "entered" }, { kind: "left" }] }, "3 entered, left"],
  ["lines", "listed", NaN, {}, ""],
])("the cell of %s has words", (name, kind, value, result, words) => {
  render(<Cell column={new Column("zones", name, kind)} value={value} result={result} />);
  expect(screen.getByRole("cell").textContent).toBe(words);
});

test("a clip that does not play says why, and can be downloaded", () => {
  const told: EventPayload = { job_id: JOB_ID, number: 3, plugin: "gate", kind: "left", message: "", data: null, frame_id: "", index: 7, timestamp_ms: 700 };
  const kept: ClipState = { event: 3, plugin: "gate", kind: "left", index: 7, timestamp_ms: 700, start_ms: 0, duration_ms: 900, bytes: 9, codec: "mjpeg", to_encode: true, url: "" };
  const shown = (clip: ClipState) => <PlayerContext value={new Player(JOB_ID, new RealtimeStore())}><ChosenEvent event={told} clip={clip} onClose={() => undefined} /></PlayerContext>;
  const { rerender } = render(shown(kept));
  expect(screen.getByRole("status").textContent).toContain("do not play JPEG video. This clip is being encoded");
  rerender(shown({ ...kept, bytes: 8, codec: "hevc", to_encode: false }));
  expect(screen.queryByRole("status")).toBeNull();
  fireEvent.error(screen.getByLabelText("Clip of left, number 3"));
  expect(screen.getByRole("status").textContent).toContain("may not know H.265 video");
  expect(screen.getByRole("link", { name: /^Clip/ }).getAttribute("download")).toMatch(/-3\.mp4$/);
});
