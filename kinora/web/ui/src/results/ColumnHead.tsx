import type { Column } from "../player/Columns";
import type { Sorting } from "./chosenRows";

interface HeadProps {
  sorting: Sorting | null;
  onSort: (sorting: Sorting | null) => void;
}

/** The head of the column of frames: sorting by it is the order of time. */
export function FrameHead({ sorting, onSort }: HeadProps) {
  return (
    <span role="columnheader" className="frame-cell" aria-sort={sorting ? "none" : "ascending"}>
      <button type="button" title="In the order of time" onClick={() => onSort(null)}>frame</button>
    </span>
  );
}

interface ColumnHeadProps extends HeadProps {
  column: Column;
  /** True for the first column of its plugin, which shows the plugin's name. */
  first: boolean;
}

/** The head of a plugin's column: each press sorts in the next way, largest first, smallest first, by time. */
export function ColumnHead({ column: { plugin, name, kind }, first, sorting, onSort }: ColumnHeadProps) {
  const isIt = sorting?.plugin === plugin && sorting.name === name;
  const state = isIt ? (sorting.descending ? "descending" : "ascending") : "none";
  const next = !isIt ? { plugin, name, descending: true } : sorting.descending ? { plugin, name, descending: false } : null;
  return (
    <span role="columnheader" className={`${kind}${first ? " plugin-start" : ""}`} aria-sort={state}>
      <button type="button" disabled={kind === "other"} title={kind === "other" ? undefined : "Sort by this column"} onClick={() => onSort(next)}>
        <small className={first ? undefined : "visually-hidden"}>{plugin}</small> <span>{name}</span>
      </button>
    </span>
  );
}
