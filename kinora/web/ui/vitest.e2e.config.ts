import { defineConfig } from "vitest/config";

// Each file starts its own server and browser; the machine may be small, so run one file at a time.
export default defineConfig({
  test: {
    environment: "node",
    include: ["e2e/**/*.e2e.ts"],
    fileParallelism: false,
    testTimeout: 90_000,
    expect: { poll: { timeout: 30_000, interval: 100 } },
    hookTimeout: 60_000,
  },
});
