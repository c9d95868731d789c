import { cleanup } from "@testing-library/react";
import { afterEach } from "vitest";

// What jsdom lacks and layout needs.
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

afterEach(() => {
  cleanup();
  localStorage.clear();
});
