import type { FrameData, Json } from "../api/generated";
import { isObject } from "../draw/detections";
import { usePlayer, usePlayerState } from "../player/PlayerContext";
import { useRealtime } from "../realtime/RealtimeContext";
import { clock } from "../ui/format";
import { VirtualList } from "../ui/VirtualList";

/** A table with a row for each frame, which has each plugin's result in short. */
export function ResultTable() {
  const player = usePlayer();
  const { playing, following } = usePlayerState(player);
  const plugins = useRealtime((state) => Object.keys(state.plugins));
  const { timeline, pages, row: current } = player;
  if (timeline.length === 0) return <p className="hint">No frames are stored yet.</p>;
  return (
    <VirtualList label="Results, a row for each frame" count={timeline.length} rowRem={2.25}
      current={current} moving={playing || following} onStep={(rows) => player.step(rows)}
      renderRow={(row) => (
        <button type="button" className="result-row" tabIndex={-1} aria-current={row === current} onClick={() => player.seek(row)}>
          <span className="frame-number">{timeline.index(row)}</span>
          <span className="frame-time">{clock(timeline.time(row))}</span>
          <Results frame={pages.at(row)} plugins={plugins} />
        </button>
      )}
    />
  );
}

function Results({ frame, plugins }: { frame: FrameData | null; plugins: readonly string[] }) {
  if (!frame) return <span className="hint">…</span>;
  return plugins.map((plugin) => (
    <span key={plugin} className="result">
      <em>{plugin}</em> {resultInWords(frame.results[plugin])}
    </span>
  ));
}

/** A plugin's result in a few words. */
export function resultInWords(result: Json | undefined): string {
  if (result === undefined) return "–";
  if (!isObject(result)) return JSON.stringify(result);
  const { detections, metrics } = result;
  const parts: string[] = [];
  if (Array.isArray(detections)) parts.push(`${detections.length} found`);
  if (isObject(metrics)) parts.push(...Object.entries(metrics).map(([name, value]) => `${name} ${short(value)}`));
  if (result.cut === true) parts.push("cut");
  const { colors } = result;
  if (Array.isArray(colors)) parts.push(colors.map((color) => (isObject(color) ? short(color.hex ?? null) : "")).join(" "));
  return parts.length > 0 ? parts.join(", ") : JSON.stringify(result).slice(0, 80);
}

function short(value: Json): string {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toFixed(2);
  return typeof value === "string" ? value : JSON.stringify(value);
}
