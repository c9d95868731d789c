import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";

// Parts of a browser that the components need and jsdom lacks.
class NoResizes implements ResizeObserver {
  observe(): void {
    // Nothing has a size here.
  }
  unobserve(): void {
    // Nothing is observed.
  }
  disconnect(): void {
    // Nothing is observed.
  }
}
globalThis.ResizeObserver = NoResizes;

class NoMatch extends EventTarget implements Pick<MediaQueryList, "matches" | "media"> {
  readonly matches = false;
  readonly media = "";
}
Element.prototype.scrollIntoView = () => undefined;
globalThis.matchMedia = () => new NoMatch() as unknown as MediaQueryList;

configure({ asyncUtilTimeout: 20_000 });

afterEach(() => {
  cleanup();
  localStorage.clear();
});
