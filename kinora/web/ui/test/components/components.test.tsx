import { fireEvent, render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { useState } from "react";
import { expect, onTestFinished, test, vi } from "vitest";
import type { PluginChoice } from "../../src/api/types";
import { CameraPicker } from "../../src/camera/CameraPicker";
import { DeviceSelector } from "../../src/controls/DeviceSelector";
import { cancelInWords } from "../../src/controls/JobActions";
import { ConnectionNote } from "../../src/header/ConnectionBadge";
import { framesInWords } from "../../src/inspector/framesInWords";
import { PluginMetadata } from "../../src/inspector/PluginMetadata";
import { healthInWords, stageInWords } from "../../src/inspector/stageInWords";
import { Warnings } from "../../src/inspector/WarningList";
import { CONNECTIONS, DEVICES, PLUGINS, WARNINGS } from "../../src/kit/examples";
import { ProgressBar } from "../../src/overlay/ProgressBar";
import { secondsLeft } from "../../src/overlay/secondsLeft";
import { PluginsPage } from "../../src/plugins/PluginsPage";
import { OptionsForm } from "../../src/start/OptionsForm";
import { PluginPicker } from "../../src/start/PluginPicker";
import { VirtualList } from "../../src/ui/VirtualList";
import { job } from "../examples";

test.each([[-5, "0"], [0, "0"], [42.4, "42"], [250, "100"], [Number.NaN, "0"]])("progress %s is shown as %s", (progress, shown) => {
  render(<ProgressBar progress={progress} />);
  const bar = screen.getByRole("progressbar");
  expect(bar.id).toBe("progress-bar");
  expect(bar.getAttribute("aria-valuenow")).toBe(shown);
});

test("the time left is known once the pace and the total are", () => {
  expect(secondsLeft(50, 100, 10)).toBe(5);
  expect([secondsLeft(0, 100, 10), secondsLeft(5, null, 10), secondsLeft(5, 10, null)]).toEqual([null, null, null]);
});

test("the device selector says why a device is not available, and what happens then", async () => {
  const onChange = vi.fn();
  const { rerender } = render(<DeviceSelector devices={DEVICES} best="cpu" value="auto" onChange={onChange} />);
  const select = screen.getByLabelText("Device");
  expect(select.id).toBe("device-selector");
  expect(screen.getByText(/cuda:0 is not available: there is no NVIDIA driver/)).toBeDefined();
  await userEvent.selectOptions(select, "cuda:0");
  expect(onChange).toHaveBeenCalledWith("cuda:0");
  rerender(<DeviceSelector devices={DEVICES} best="cpu" value="cuda:0" onChange={onChange} />);
  expect(screen.getByText(/will run on cpu instead/)).toBeDefined();
});

test("warnings show how often they occurred and lead to their frame", async () => {
  const onJump = vi.fn();
  render(<Warnings groups={WARNINGS} onJump={onJump} />);
  expect(screen.getByText("× 1,250")).toBeDefined();
  expect(screen.getAllByRole("time").map((time) => time.getAttribute("datetime"))).toEqual(["2026-11-23T12:04:10.000Z"]);
  await userEvent.click(screen.getByRole("button", { name: "frame 3" }));
  expect(onJump).toHaveBeenCalledWith(3);
});

test("a plugin of a cancelled job is shown as stopped, and its health where it says more than that", () => {
  expect(stageInWords("running", "running")).toBe("running");
  expect(stageInWords("running", "cancelled")).toBe("stopped");
  expect(stageInWords("failed", "cancelled")).toBe("failed");
  expect(stageInWords("completed", "done")).toBe("completed");
  expect(healthInWords("ok", "completed")).toBeNull();
  expect(healthInWords("failed", "failed")).toBeNull();
  expect(healthInWords("degraded", "completed")).toBe("degraded");
  expect(healthInWords("failed", "completed")).toBe("failed on every frame");
});

test("unknown metadata is shown as such", () => {
  render(<PluginMetadata metadata={null} />);
  expect(screen.getByText(/Nothing is known/)).toBeDefined();
});

test.each(CONNECTIONS.map((info) => [info.state, info.closed ?? (info.givenUp ? "given up" : ""), info] as const))(
  "connection %s %s is shown in words",
  (_state, _detail, info) => {
    vi.useFakeTimers({ now: info.lostAt ?? Date.now(), toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    render(<ConnectionNote info={info} onReconnect={vi.fn()} />);
    const words = screen.getByRole("status").textContent;
    if (info.closed !== null) expect(words).toMatch(/^Not live: /);
    else if (info.lostAt !== null) expect(words).toMatch(/^No connection since \d/);
    else expect(words).toMatch(/^(Live|Connecting…)$/);
    if (info.retryAt !== null) expect(screen.getByText("trying again in 4 s")).toBeDefined();
  },
);

test("the answer to a cancel says if it is over and how long it took", () => {
  const answer = { job_id: "j", status: "cancelled", cancelled: true, cancel_ms: 83.2 } as const;
  expect(cancelInWords(answer)).toMatch(/all its processes were gone after 83 ms/);
  expect(cancelInWords({ ...answer, status: "done", cancelled: false })).toMatch(/already ended: done/);
  expect(cancelInWords({ ...answer, status: "cancelling", pids: [7, 8] })).toMatch(/not ended yet: processes 7, 8/);
});

function Picker({ onChange }: { onChange: (names: string[]) => void }) {
  const [chosen, setChosen] = useState<PluginChoice[]>([{ name: "people", options: {} }, { name: "tracker", options: {} }]);
  return (
    <PluginPicker plugins={PLUGINS} chosen={chosen} onChange={(next) => {
      setChosen(next);
      onChange(next.map(({ name }) => name));
    }} />
  );
}

test("plugins are added, ordered and removed by keyboard, and screen readers are told", async () => {
  const onChange = vi.fn();
  render(<Picker onChange={onChange} />);
  await userEvent.click(screen.getByRole("button", { name: "faces" }));
  expect(onChange).toHaveBeenLastCalledWith(["people", "tracker", "faces"]);
  screen.getByRole("button", { name: /Move faces/ }).focus();
  await userEvent.keyboard("{ArrowUp}{ArrowUp}");
  expect(onChange).toHaveBeenLastCalledWith(["faces", "people", "tracker"]);
  expect(screen.getByRole("status").textContent).toBe("faces is now number 1 of 3.");
  await userEvent.click(screen.getByRole("button", { name: "Remove people" }));
  expect(onChange).toHaveBeenLastCalledWith(["faces", "tracker"]);
  expect(document.activeElement?.getAttribute("aria-label")).toBe("Remove tracker");
});

test("a broken plugin cannot be chosen", () => {
  render(<Picker onChange={vi.fn()} />);
  const group = screen.getByRole("group", { name: "Add a plugin" });
  expect(within(group).queryByRole("button", { name: "mine" })).toBeNull();
});

test("a plugin with trouble in its last job can still be added, and its health is shown", async () => {
  const onChange = vi.fn();
  render(<PluginPicker plugins={PLUGINS} chosen={[{ name: "ocr", options: {} }]} onChange={onChange} />);
  expect(within(screen.getByRole("list", { name: /Chosen plugins/ })).getByText("failed")).toBeDefined();
  await userEvent.click(screen.getByRole("button", { name: "colors degraded" }));
  expect(onChange).toHaveBeenLastCalledWith([{ name: "ocr", options: {} }, { name: "colors", options: {} }]);
});

test("a plugin's turns are chosen under its options, and a number that is none is told", async () => {
  const onChoice = vi.fn<(chosen: PluginChoice[]) => void>();
  function Turns() {
    const [chosen, setChosen] = useState<PluginChoice[]>([{ name: "ocr", options: {} }]);
    return (
      <PluginPicker plugins={PLUGINS} chosen={chosen} onChange={(next) => {
        setChosen(next);
        onChoice(next);
      }} />
    );
  }
  render(<Turns />);
  await userEvent.click(screen.getByRole("button", { name: "Options of ocr" }));
  await userEvent.type(screen.getByLabelText("Every n-th frame"), "5");
  await userEvent.click(screen.getByLabelText("At the side"));
  expect(onChoice).toHaveBeenLastCalledWith([{ name: "ocr", options: {}, every: 5, side: true }]);
  expect(screen.getByText("2 set")).toBeDefined();
  await userEvent.type(screen.getByLabelText("Every n-th frame"), "x");
  expect(screen.getByText("must be a whole number of 1 or more")).toBeDefined();
  await userEvent.clear(screen.getByLabelText("Every n-th frame"));
  expect(onChoice).toHaveBeenLastCalledWith([{ name: "ocr", options: {}, side: true }]);
  await userEvent.type(screen.getByLabelText("Processes at most"), "3");
  expect(onChoice).toHaveBeenLastCalledWith([{ name: "ocr", options: {}, side: true, replicas: 3 }]);
  await userEvent.type(screen.getByLabelText("Processes at most"), "x");
  expect(screen.getByText("must be a whole number of 1 or more")).toBeDefined();
  await userEvent.clear(screen.getByLabelText("Processes at most"));
  expect(onChoice).toHaveBeenLastCalledWith([{ name: "ocr", options: {}, side: true }]);
});

test("a card says why a plugin has not done all frames", () => {
  const [example] = Object.values(job().plugins);
  if (!example) throw new Error("the example has a plugin");
  const stage = { ...example, every: 5, side: true, passed_over: 7 };
  expect(framesInWords(3, stage)).toBe("3 frames · 1 in 5 · at the side · 7 passed over");
  expect(framesInWords(1, { ...stage, every: 1, side: false, passed_over: 0 })).toBe("1 frame");
  expect(framesInWords(1, undefined)).toBe("1 frame");
});

test("this browser's camera comes before those of the operator", async () => {
  const front = { source: "camera:front", name: "front", reachable: true, reason: null, message: "It sends.", checked_at: "now", in_use_by: null };
  vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ cameras: [front] })));
  render(<CameraPicker camera="" onChange={() => undefined} />);
  await screen.findByText("front");
  expect(screen.getAllByRole("radio").map((radio) => radio.closest("label")?.textContent)).toEqual([expect.stringContaining("This browser"), expect.stringContaining("front")]);
  vi.unstubAllGlobals();
});

test("the plugins page lists all of them, broken ones too", async () => {
  vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ plugins: PLUGINS })));
  render(<PluginsPage />);
  expect(await screen.findByText("5 plugins, and 1 broken")).toBeDefined();
  for (const { name, health } of PLUGINS) expect(within(screen.getByRole("article", { name })).getByText(health)).toBeDefined();
  vi.unstubAllGlobals();
});

test("a plugin that only lacks an extra is not installed, with the command, and not broken", async () => {
  const lacking = { ...PLUGINS[5], name: "ocr2", reason: "on import it raised ImportError: rapidocr is not installed: pip install 'kinora[ocr]'" };
  vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ plugins: [...PLUGINS, lacking] })));
  render(<PluginsPage />);
  expect(await screen.findByText("5 plugins, 1 not installed, and 1 broken")).toBeDefined();
  const article = within(screen.getByRole("article", { name: "ocr2" }));
  expect(article.getByText("pip install 'kinora[ocr]'")).toBeDefined();
  expect(article.queryByText("broken")).toBeNull();
  vi.unstubAllGlobals();
});

test("the options form is made from the schema, and leaves out the defaults", async () => {
  const onChange = vi.fn();
  const schema = PLUGINS[0]?.metadata?.config_schema ?? null;
  render(<OptionsForm schema={schema} options={{}} onChange={onChange} />);
  await userEvent.type(screen.getByLabelText("min_hits"), "3");
  expect(onChange).toHaveBeenLastCalledWith({ min_hits: 3 });
  await userEvent.click(screen.getByLabelText("draft"));
  expect(onChange).toHaveBeenLastCalledWith({ draft: true });
  await userEvent.selectOptions(screen.getByLabelText("mode"), "exact");
  expect(onChange).toHaveBeenLastCalledWith({ mode: "exact" });
  await userEvent.type(screen.getByLabelText("min_hits"), "99");
  expect(screen.getByText("must be from 1 to 100")).toBeDefined();
});

test("a list of a million rows renders only the visible ones", () => {
  render(<VirtualList label="Rows" count={1_000_000} rowRem={2} renderRow={(index) => <span>Row {index}</span>} />);
  expect(screen.getByText("Row 0")).toBeDefined();
  expect(screen.getAllByRole("listitem").length).toBeLessThan(60);
});

test("the arrow keys move the choice of a row", async () => {
  const onStep = vi.fn();
  render(<VirtualList label="Rows" count={10} rowRem={2} onStep={onStep} renderRow={(index) => <span>Row {index}</span>} />);
  screen.getByRole("region", { name: "Rows" }).focus();
  await userEvent.keyboard("{ArrowDown}{ArrowUp}");
  expect(onStep.mock.calls).toEqual([[1], [-1]]);
});

test("a row that moves by itself is kept in view until the list is scrolled away from it; a chosen row always is", () => {
  const list = (current: number, moving: boolean) => (
    <VirtualList label="Rows" count={1000} rowRem={1} current={current} moving={moving} renderRow={(index) => <span>Row {index}</span>} />
  );
  const { rerender } = render(list(0, true));
  const box = screen.getByRole("region", { name: "Rows" });
  Object.defineProperty(box, "clientHeight", { value: 160 });
  const showsRow = (row: number) => box.scrollTop <= row * 16 && (row + 1) * 16 <= box.scrollTop + 160;
  rerender(list(500, true));
  expect(showsRow(500)).toBe(true);
  fireEvent.scroll(box, { target: { scrollTop: 0 } });
  rerender(list(600, true));
  expect(box.scrollTop).toBe(0);
  fireEvent.scroll(box, { target: { scrollTop: 598 * 16 } });
  rerender(list(700, true));
  expect(showsRow(700)).toBe(true);
  fireEvent.scroll(box, { target: { scrollTop: 0 } });
  rerender(list(800, false));
  expect(showsRow(800)).toBe(true);
});
