/** The plugins that draw anything, with the classes that each has found so far. */
import type { FrameData } from "../api/generated";
import { allDetections } from "../draw/detections";
import { allClasses, pluginsWithShapes } from "../draw/shapes";

/** The most classes of a plugin that are kept; others cannot be hidden one by one. */
const MAX_KINDS = 100;

export class FoundKinds {
  readonly #ofPlugins = new Map<string, Set<string>>();

  add(frame: FrameData): void {
    for (const plugin of pluginsWithShapes(frame)) this.#of(plugin);
    for (const { plugin, kind } of [...allDetections(frame), ...allClasses(frame)]) {
      const kinds = this.#of(plugin);
      if (kinds.size < MAX_KINDS) kinds.add(kind);
    }
  }

  #of(plugin: string): Set<string> {
    const known = this.#ofPlugins.get(plugin);
    if (known) return known;
    const kinds = new Set<string>();
    this.#ofPlugins.set(plugin, kinds);
    return kinds;
  }

  /** Each plugin that draws anything, with its classes in order of the alphabet. */
  get all(): [plugin: string, kinds: string[]][] {
    return [...this.#ofPlugins].map(([plugin, kinds]) => [plugin, [...kinds].sort()]);
  }
}
