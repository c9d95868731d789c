import type { CSSProperties, ReactNode } from "react";
import type { Json } from "../api/generated";
import { isObject, listOf } from "../draw/detections";
import { classesOf, classInWords } from "../draw/shapes";
import { isColor, textsOf } from "../player/cells";
import type { Column } from "../player/Columns";

interface CellProps {
  column: Column;
  /** NaN if the frame has none. */
  value: number;
  /** The plugin's result; undefined while it is being fetched, and if there is none. */
  result: Json | undefined;
}

/** One part of a plugin's result for a frame. */
export function Cell({ column, value, result }: CellProps) {
  return <span role="cell" className={`cell ${column.kind}`} title={titleOf(column, result)}>{contentOf(column, value, result)}</span>;
}

function contentOf(column: Column, value: number, result: Json | undefined): ReactNode {
  const { kind, name } = column;
  if (kind === "found") return Number.isNaN(value) ? "" : <Found number={value} result={result} />;
  if (kind === "number") return Number.isNaN(value) ? "" : <Bar value={value} column={column} />;
  if (kind === "flag") return value === 1 ? <b>{name}</b> : "";
  if (kind === "listed") return Number.isNaN(value) ? "" : <><b>{value}</b> {namesIn(listOf(result, name))}</>;
  if (kind === "colors") return <Swatches list={listOf(result, name)} />;
  return textOf(column, result);
}

function titleOf(column: Column, result: Json | undefined): string | undefined {
  return ["texts", "classes", "other"].includes(column.kind) ? textOf(column, result) : undefined;
}

function textOf({ name, kind }: Column, result: Json | undefined): string {
  if (kind === "classes") return classesOf(result).map(classInWords).join(", ");
  if (name === "text" && listOf(result, "detections").length > 0) return textsOf(result).join(" · ");
  const value = isObject(result) ? (result[name] ?? (isObject(result.metrics) ? result.metrics[name] : undefined)) : result;
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value).slice(0, 200);
}

/** The labels of lines, polygons and points, and the kinds of events, each once. */
function namesIn(list: readonly Json[]): string {
  const said = list.flatMap((one) => (isObject(one) ? [one.label, one.kind] : []));
  const names = said.filter((name): name is string => typeof name === "string" && name !== "");
  return [...new Set(names)].join(", ");
}

function Found({ number, result }: { number: number; result: Json | undefined }) {
  return (
    <>
      <b>{number}</b> {classesInWords(result)}
    </>
  );
}

/** The classes of a result's detections with their numbers, such as `2 person, 1 dog`. */
export function classesInWords(result: Json | undefined): string {
  const numbers = new Map<string, number>();
  for (const found of listOf(result, "detections")) {
    const kind = isObject(found) && typeof found.class === "string" ? found.class : "";
    numbers.set(kind, (numbers.get(kind) ?? 0) + 1);
  }
  const kinds = [...numbers].filter(([kind]) => kind !== "");
  return kinds.length === 1 ? (kinds[0]?.[0] ?? "") : kinds.map(([kind, number]) => `${number} ${kind}`).join(", ");
}

/** A number with a bar from the column's least value, or 0, to its largest one. */
function Bar({ value, column }: { value: number; column: Column }) {
  const least = Math.min(0, column.least);
  const share = column.most > least ? (value - least) / (column.most - least) : 0;
  return (
    <>
      <span className="cell-bar" style={{ inlineSize: `${(100 * share).toFixed(1)}%` }} aria-hidden="true" />
      {shortNumber(value)}
    </>
  );
}

const WHOLE = new Intl.NumberFormat("en");

export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value)) return WHOLE.format(value);
  if (size < 0.001) return value.toPrecision(1);
  return value.toFixed(size < 1 ? 3 : size < 100 ? 2 : 1);
}

function Swatches({ list }: { list: readonly Json[] }) {
  const colors = list.filter(isColor);
  if (colors.length === 0) return null;
  return (
    <span className="swatches" role="img" aria-label={colors.map(colorInWords).join(", ")}>
      {colors.map((color, at) => {
        const style: CSSProperties = { background: color.hex, flexGrow: typeof color.share === "number" ? color.share : 1 };
        return <span key={`${color.hex} ${at}`} style={style} title={colorInWords(color)} />;
      })}
    </span>
  );
}

function colorInWords({ hex, share }: { hex: string; share?: Json }): string {
  return typeof share === "number" ? `${hex} ${Math.round(100 * share)}%` : hex;
}
