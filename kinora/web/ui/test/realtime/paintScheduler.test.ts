import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { paintScheduler } from "../../src/realtime/paintScheduler";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function paintsOfASecond(pauseMs?: number): number {
  const paint = vi.fn();
  const { request } = paintScheduler(paint, pauseMs);
  for (let ms = 0; ms < 1000; ms += 5) {
    request();
    vi.advanceTimersByTime(5);
  }
  return paint.mock.calls.length;
}

test("many requests cause one call per animation frame", () => {
  expect(paintsOfASecond()).toBeGreaterThan(50);
  expect(paintsOfASecond()).toBeLessThan(64);
});

test("calls are as far apart as the pause says", () => {
  expect(paintsOfASecond(250)).toBe(4);
});
