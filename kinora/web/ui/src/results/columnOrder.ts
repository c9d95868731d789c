import type { CellKind } from "../player/cells";
import type { Column } from "../player/Columns";

const WIDTHS: Record<CellKind, string> = { found: "11rem", number: "7.5rem", flag: "5rem", texts: "18rem", colors: "8rem", classes: "12rem", listed: "12rem", other: "15rem" };
const FRAME_WIDTH = "8.5rem";

const FIRST: ReadonlySet<CellKind> = new Set(["found", "texts", "classes"]);

/** The columns in the order of the job's plugins; what is found comes before a plugin's figures. */
export function inPipelineOrder(columns: readonly Column[], plugins: readonly string[]): Column[] {
  const rank = ({ plugin, kind }: Column) => [plugins.indexOf(plugin) >>> 0, FIRST.has(kind) ? 0 : 1] as const;
  return columns.toSorted((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    return left[0] - right[0] || left[1] - right[1];
  });
}

/** The widths of the columns as CSS wants them. */
export function rowTemplate(columns: readonly Column[]): string {
  return [FRAME_WIDTH, ...columns.map(({ kind }) => WIDTHS[kind])].join(" ");
}
