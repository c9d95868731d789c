import { useEffect, useMemo, useRef } from "react";
import type { Column } from "../player/Columns";
import { usePlayer, usePlayerState } from "../player/PlayerContext";
import type { RowWindow } from "../player/Window";
import { paintScheduler } from "../realtime/paintScheduler";
import { useRealtime } from "../realtime/RealtimeContext";
import { shortNumber } from "./Cell";
import { inPipelineOrder } from "./columnOrder";
import { drawCurve } from "./drawCurve";

interface CurvesProps {
  row: number;
  window: RowWindow;
}

/** The plugins' metrics over the frames, each with its value on the current one. */
export function Curves({ row, window }: CurvesProps) {
  const player = usePlayer();
  const { version } = usePlayerState(player);
  const plugins = useRealtime((state) => Object.keys(state.plugins));
  const { all } = player.timeline.columns;
  const changing = useMemo(
    () => inPipelineOrder(all, plugins).filter(({ kind, least, most }) => kind === "number" && most > least),
    // A column may begin to change with each version.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [all, plugins, version],
  );
  if (changing.length === 0) return null;
  return (
    // What scrolls must be reachable by keyboard.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="curves" role="region" aria-label="Metrics over the frames" tabIndex={0}>
      {changing.map((column) => (
        <Curve key={`${column.plugin} ${column.name}`} column={column} row={row} window={window} version={version} />
      ))}
    </div>
  );
}

function Curve({ column, row, window: { first, last }, version }: CurvesProps & { column: Column; version: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const paint = paintScheduler(() => drawCurve(element, column, { first, last }));
    const resized = new ResizeObserver(paint.request);
    resized.observe(element);
    paint.request();
    return () => {
      resized.disconnect();
      paint.cancel();
    };
  }, [column, first, last, version]);
  const value = column.at(row);
  const share = Math.min(1, Math.max(0, (row - first) / Math.max(1, last - first)));
  return (
    <div className="curve">
      <span className="curve-name" title={`${column.plugin} ${column.name}: from ${shortNumber(column.least)} to ${shortNumber(column.most)}`}>
        {column.name} <small>{column.plugin}</small>
      </span>
      <span className="curve-box">
        <canvas ref={canvas} aria-hidden="true" />
        <span className="curve-now" style={{ insetInlineStart: `calc(8px + ${share} * (100% - 16px))` }} />
      </span>
      <span className="curve-value">{Number.isNaN(value) ? "–" : shortNumber(value)}</span>
    </div>
  );
}
