/** The classes that each plugin has found so far. */
import type { FrameData } from "../api/generated";
import { allDetections } from "../draw/detections";

/** The most classes of a plugin that are kept; others cannot be hidden one by one. */
const MAX_KINDS = 100;

export class FoundKinds {
  readonly #ofPlugins = new Map<string, Set<string>>();

  add(frame: FrameData): void {
    for (const { plugin, kind } of allDetections(frame)) {
      const kinds = this.#ofPlugins.get(plugin) ?? new Set<string>();
      if (kinds.size < MAX_KINDS) kinds.add(kind);
      this.#ofPlugins.set(plugin, kinds);
    }
  }

  /** Each plugin that has found something, with its classes in order of the alphabet. */
  get all(): [plugin: string, kinds: string[]][] {
    return [...this.#ofPlugins].map(([plugin, kinds]) => [plugin, [...kinds].sort()]);
  }
}
