/** The numbers of all frames by column, for sorting, filtering and plotting. */
import type { FrameData } from "../api/generated";
import { cellsOf, type CellKind } from "./cells";
import { Growing } from "./Growing";

/** The most columns of a job; those that appear after them are only counted in `leftOut`. */
export const MAX_COLUMNS = 96;

export class Column {
  readonly plugin: string;
  readonly name: string;
  readonly kind: CellKind;
  readonly #values = new Growing((size) => new Float32Array(size));
  least = Infinity;
  most = -Infinity;

  constructor(plugin: string, name: string, kind: CellKind) {
    this.plugin = plugin;
    this.name = name;
    this.kind = kind;
  }

  /** The number of this row; NaN if its frame has none. */
  at(row: number): number {
    return row < this.#values.length ? this.#values.at(row) : Number.NaN;
  }

  set(row: number, value: number): void {
    while (this.#values.length < row) this.#values.push(Number.NaN);
    if (this.#values.length > row) return;
    this.#values.push(value);
    if (value < this.least) this.least = value;
    if (value > this.most) this.most = value;
  }
}

export class Columns {
  readonly #byPlugin = new Map<string, Map<string, Column>>();
  readonly #leftOut = new Set<string>();
  #all: Column[] = [];

  /** Every column, those of a plugin together, in the order in which they appeared. */
  get all(): readonly Column[] {
    return this.#all;
  }

  /** The number of columns for which there is no room. */
  get leftOut(): number {
    return this.#leftOut.size;
  }

  add(row: number, frame: FrameData): void {
    for (const [plugin, result] of Object.entries(frame.results)) {
      for (const { name, kind, value } of cellsOf(result)) this.#column(plugin, name, kind)?.set(row, value);
    }
  }

  #column(plugin: string, name: string, kind: CellKind): Column | null {
    return this.#byPlugin.get(plugin)?.get(name) ?? this.#newColumn(plugin, name, kind);
  }

  #newColumn(plugin: string, name: string, kind: CellKind): Column | null {
    if (this.#all.length >= MAX_COLUMNS) {
      if (this.#leftOut.size < MAX_COLUMNS) this.#leftOut.add(`${plugin} ${name}`);
      return null;
    }
    const column = new Column(plugin, name, kind);
    const ofPlugin = this.#byPlugin.get(plugin) ?? new Map<string, Column>();
    this.#byPlugin.set(plugin, ofPlugin.set(name, column));
    this.#all = [...this.#byPlugin.values()].flatMap((columns) => [...columns.values()]);
    return column;
  }
}
