import { memo, useDeferredValue, useEffect, useMemo, useState, type CSSProperties, type KeyboardEvent } from "react";
import type { FrameData } from "../api/generated";
import { isEnded } from "../api/jobStates";
import type { Column } from "../player/Columns";
import type { FramePages } from "../player/FramePages";
import type { Player } from "../player/Player";
import { usePlayer, usePlayerState } from "../player/PlayerContext";
import { useRealtime } from "../realtime/RealtimeContext";
import { watchedStatus } from "../realtime/state";
import { clock, count } from "../ui/format";
import { useTouch } from "../ui/useTouch";
import { useVirtualRows } from "../ui/useVirtualRows";
import { Cell } from "./Cell";
import { chosenRows, type Sorting } from "./chosenRows";
import { ColumnHead, FrameHead } from "./ColumnHead";
import { inPipelineOrder, rowTemplate } from "./columnOrder";
import { Downloads } from "./Downloads";

const ROW_REM = 2.25;
const TOUCH_ROW_REM = 2.75;
const HEAD_REM = 3;

/** The results of a job: a table with a row for each frame and columns for each plugin, sorted and filtered as one likes. */
export function ResultTable({ jobId }: { jobId: string }) {
  const player = usePlayer();
  const { playing, following } = usePlayerState(player);
  const plugins = useRealtime((state) => Object.keys(state.plugins));
  const ended = useRealtime((state) => isEnded(watchedStatus(state)));
  const [filter, setFilter] = useState("");
  const [sorting, setSorting] = useState<Sorting | null>(null);
  const asked = useDeferredValue(filter);
  const { timeline } = player;
  const { length, columns: { all } } = timeline;
  const columns = useMemo(() => inPipelineOrder(all, plugins), [all, plugins]);
  // Rows are only ever added, so their number tells whether any came meanwhile.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const { rows, fault } = useMemo(() => chosenRows(timeline, asked, sorting), [timeline, asked, sorting, length]);
  return (
    <section className="results" aria-label="Results">
      <header>
        <h2>Results</h2>
        {length > 0 && (
          <input type="search" aria-label="Filter the rows" placeholder="Filter: person, #3, brightness<40" value={filter}
            title="Words that a frame's classes, texts or tracks contain, and conditions on columns, such as brightness<40 or people>=2"
            onChange={(event) => setFilter(event.target.value)} />
        )}
        <p className={fault === null ? "hint" : "warn-text"} role="status">
          {fault ?? (length === 0 ? emptyInWords(ended, player.isComplete) : shownInWords(rows?.length ?? length, length, timeline.columns.leftOut))}
        </p>
        <Downloads jobId={jobId} />
      </header>
      {length > 0 && <Rows player={player} columns={columns} rows={rows} sorting={sorting} onSort={setSorting} moving={playing || following} />}
    </section>
  );
}

function emptyInWords(ended: boolean, complete: boolean): string {
  if (!ended) return "No frames are stored yet.";
  return complete ? "No frames were stored." : "Loading the frames…";
}

function shownInWords(shown: number, all: number, leftOut: number): string {
  const frames = shown === all ? count(all, "frame") : `${shown.toLocaleString("en")} of ${count(all, "frame")}`;
  return leftOut === 0 ? frames : `${frames}; no room for ${count(leftOut, "column")}: they are in the downloads`;
}

interface RowsProps {
  player: Player;
  columns: readonly Column[];
  /** The rows of the timeline to show; null for all of them. */
  rows: Uint32Array | null;
  sorting: Sorting | null;
  onSort: (sorting: Sorting | null) => void;
  moving: boolean;
}

function Rows({ player, columns, rows: chosen, sorting, onSort, moving }: RowsProps) {
  const { timeline, pages, row: current } = player;
  const count = chosen?.length ?? timeline.length;
  const place = chosen ? chosen.indexOf(current) : current;
  const rowRem = useTouch() ? TOUCH_ROW_REM : ROW_REM;
  const { box, rowHeight, rows, slots, onScroll } = useVirtualRows({ count, rowRem, headRem: HEAD_REM, current: place, moving });
  const rowAt = (at: number) => chosen?.[at] ?? at;
  useFrames(pages, rows.map(rowAt).filter((row) => pages.peek(row) === null));

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    player.seek(rowAt(Math.min(count - 1, Math.max(0, place + step))));
  };

  return (
    // A region that scrolls must be reachable by keyboard, or the keyboard could not scroll it.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex, jsx-a11y/no-noninteractive-element-interactions
    <div className="table-scroll" ref={box} onScroll={onScroll} onKeyDown={onKeyDown} role="region" aria-label="Results, a row for each frame" tabIndex={0}>
      <div className="result-table" role="table" aria-label="Results" aria-rowcount={count + 1} style={{ "--columns": rowTemplate(columns) } as CSSProperties}>
        <div role="rowgroup" className="table-head">
          <div role="row" className="table-row" aria-rowindex={1}>
            <FrameHead sorting={sorting} onSort={onSort} />
            {columns.map((column, at) => (
              <ColumnHead key={`${column.plugin} ${column.name}`} column={column} first={columns[at - 1]?.plugin !== column.plugin}
                sorting={sorting} onSort={onSort} />
            ))}
          </div>
        </div>
        <div role="rowgroup" className="table-body" style={{ height: count * rowHeight }}>
          {rows.map((at) => {
            const row = rowAt(at);
            return (
              <Row key={at % slots} row={row} at={at} top={at * rowHeight} height={rowHeight} player={player} columns={columns}
                frame={pages.peek(row)} current={row === current} />
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** A row's words are fetched once it has been in view for so long: what is scrolled past is not. */
const REST_MS = 100;

/** Fetch the frames of these rows when they have not changed for a moment. */
function useFrames(pages: FramePages, missing: readonly number[]): void {
  const names = missing.join();
  useEffect(() => {
    if (names === "") return;
    const timer = setTimeout(() => names.split(",").forEach((row) => pages.at(Number(row))), REST_MS);
    return () => clearTimeout(timer);
  }, [pages, names]);
}

interface RowProps {
  row: number;
  /** The place in the table. */
  at: number;
  top: number;
  height: number;
  player: Player;
  columns: readonly Column[];
  /** Null while it is being fetched. */
  frame: FrameData | null;
  current: boolean;
}

const Row = memo(function Row({ row, at, top, height, player, columns, frame, current }: RowProps) {
  const { timeline } = player;
  // A click on a text that ends a selection of it does not leave the frame.
  const choose = () => {
    if (getSelection()?.isCollapsed !== false) player.seek(row);
  };
  return (
    // The keyboard moves by arrow keys in the table.
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
    <div role="row" className="table-row" aria-rowindex={at + 2} aria-current={current} style={{ top, height }} onClick={choose}>
      <span role="rowheader" className="frame-cell">
        <button type="button" tabIndex={-1} onClick={() => player.seek(row)}>
          <b>{timeline.index(row)}</b> <span>{clock(timeline.time(row))}</span>
        </button>
      </span>
      {columns.map((column) => (
        <Cell key={`${column.plugin} ${column.name}`} column={column} value={column.at(row)} result={frame?.results[column.plugin]} />
      ))}
    </div>
  );
});
