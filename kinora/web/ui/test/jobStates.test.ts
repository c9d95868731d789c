import { describe, expect, it } from "vitest";
import { statusIn } from "../src/api/jobStates";

describe("statusIn", () => {
  it("shows a job that goes on after a pause as running, before it is fetched again", () => {
    const stages = ["waiting", "preparing", "running", "reconnecting", "finalizing"] as const;
    expect(stages.map((stage) => statusIn(stage, "paused"))).toEqual(stages.map(() => "running"));
  });

  it("shows a pause at once, also while the job waits for a place to go on", () => {
    expect(statusIn("paused", "running")).toBe("paused");
    expect(statusIn("queued", "running")).toBe("paused");
    expect(statusIn("queued", "paused")).toBe("paused");
  });

  it("leaves a job that waits, has ended or has no live stage as it was fetched", () => {
    expect(statusIn("queued", "queued")).toBe("queued");
    expect(statusIn("running", "done")).toBe("done");
    expect(statusIn(null, "paused")).toBe("paused");
  });
});
