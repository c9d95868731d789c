/** The user's choice of what is drawn over the picture; remembered in this browser. */
import { useSyncExternalStore } from "react";
import { isBoolean, isNumber, readStored, writeStored } from "../ui/useStored";

export interface ViewOptions {
  boxes: boolean;
  labels: boolean;
  pitch: boolean;
  radar: boolean;
  overlay: boolean;
  /** The most frames per second to ask the server for. */
  fps: number;
}

export type ViewSwitch = "boxes" | "labels" | "pitch" | "radar" | "overlay";

export const MAX_FPS = 60;
const SWITCHES: Record<ViewSwitch, boolean> = { boxes: true, labels: true, pitch: true, radar: false, overlay: true };

class ViewOptionsStore {
  readonly #listeners = new Set<() => void>();
  #options: ViewOptions | null = null;

  readonly get = (): ViewOptions => (this.#options ??= readAll());

  readonly set = (change: Partial<ViewOptions>): void => {
    this.#options = { ...this.get(), ...change };
    for (const [name, value] of Object.entries(change)) writeStored(name, value);
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
    fps: Math.min(MAX_FPS, Math.max(1, readStored("fps", 30, isNumber))),
  };
}

export const viewOptions = new ViewOptionsStore();

export function useViewOptions(): ViewOptions {
  return useSyncExternalStore(viewOptions.subscribe, viewOptions.get);
}
