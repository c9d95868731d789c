import { describe, expect, it } from "vitest";
import type { WarningPayload } from "../../src/api/generated";
import { withState, withWarning } from "../../src/realtime/warnings";

const back = (message: string, count: number): WarningPayload => ({
  job_id: "00000000-0000-0000-0000-000000000000",
  plugin: null,
  message,
  severity: "low",
  code: "SOURCE_BACK",
  frame_id: "frame-000009",
  count,
});

describe("a camera that comes back again and again", () => {
  it("is one group, whatever the lengths of its outages", () => {
    const once = withWarning([], back("the source is back after 3.1 s; it goes on at frame 9", 1));
    const twice = withWarning(once, back("the source is back after 8.0 s; it goes on at frame 70", 2));
    expect(twice.map(({ count }) => count)).toEqual([2]);
    const told = withState(twice, [{ ...back("the source came back after an outage", 3), at: null }]);
    expect(told.map(({ message, count }) => [message, count])).toEqual([["the source came back after an outage", 3]]);
  });
});
