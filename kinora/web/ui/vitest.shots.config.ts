import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { environment: "node", include: ["e2e/screenshots.ts"], testTimeout: 900_000, hookTimeout: 60_000 },
});
