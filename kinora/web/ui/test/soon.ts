import { vi } from "vitest";

/** Waits until the check holds, for far longer than it takes on a busy machine. */
export const soon = (check: () => unknown, interval = 20): Promise<unknown> => vi.waitFor(check, { timeout: 20_000, interval });
