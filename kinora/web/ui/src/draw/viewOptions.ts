/** The user's choice of what is drawn over the picture. What hides detections lasts until the page is left; the rest is remembered. */
import { useSyncExternalStore } from "react";
import { isBoolean, isNumber, readStored, writeStored } from "../ui/useStored";
import { COLOR_BY, type ColorBy } from "./colors";
import type { Point } from "./detections";

export interface ViewOptions {
  boxes: boolean;
  labels: boolean;
  pitch: boolean;
  radar: boolean;
  overlay: boolean;
  /** The most frames per second to ask the server for. */
  fps: number;
  colorBy: ColorBy;
  /** The map's place: 0 is left and top, 1 is right and bottom. */
  radarAt: Point;
  /** The curves of the plugins' metrics below the scrubber. */
  curves: boolean;
  /** The plugins, and the classes as `plugin/class`, that are not drawn. */
  hidden: ReadonlySet<string>;
  /** Detections with a lower confidence are not drawn. */
  confidence: number;
}

export type ViewSwitch = "boxes" | "labels" | "pitch" | "radar" | "overlay" | "curves";

export const MAX_FPS = 60;
const SWITCHES: Record<ViewSwitch, boolean> = { boxes: true, labels: true, pitch: true, radar: false, overlay: true, curves: true };
const FORGOTTEN: ReadonlySet<string> = new Set<keyof ViewOptions>(["hidden", "confidence"]);

class ViewOptionsStore {
  readonly #listeners = new Set<() => void>();
  #options: ViewOptions | null = null;

  readonly get = (): ViewOptions => (this.#options ??= readAll());

  readonly set = (change: Partial<ViewOptions>): void => {
    this.#options = { ...this.get(), ...change };
    for (const [name, value] of Object.entries(change)) if (!FORGOTTEN.has(name)) writeStored(name, value);
    for (const listener of this.#listeners) listener();
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}

function readAll(): ViewOptions {
  const on = (name: ViewSwitch) => readStored(name, SWITCHES[name], isBoolean);
  return {
    boxes: on("boxes"),
    labels: on("labels"),
    pitch: on("pitch"),
    radar: on("radar"),
    overlay: on("overlay"),
    curves: on("curves"),
    fps: Math.min(MAX_FPS, Math.max(1, readStored("fps", 30, isNumber))),
    colorBy: readStored<ColorBy>("colorBy", "track", isColorBy),
    radarAt: readStored<Point>("radarAt", { x: 1, y: 1 }, isPlace),
    hidden: new Set(),
    confidence: 0,
  };
}

const isColorBy = (value: unknown): value is ColorBy => COLOR_BY.some((way) => way === value);

function isPlace(value: unknown): value is Point {
  const { x, y } = (value ?? {}) as Partial<Record<"x" | "y", unknown>>;
  return isNumber(x) && isNumber(y) && Math.min(x, y) >= 0 && Math.max(x, y) <= 1;
}

export const viewOptions = new ViewOptionsStore();

export function useViewOptions(): ViewOptions {
  return useSyncExternalStore(viewOptions.subscribe, viewOptions.get);
}
