const STEPS_S = [1, 2, 4, 8, 16] as const;
const JITTER = 0.2;

/** After so many failed attempts in a row the page stops counting on realtime, though it goes on trying. */
export const GIVE_UP_AFTER = STEPS_S.length;

/** Milliseconds to wait before an attempt, the first of which is 0: 1, 2, 4, 8, 16, 16 … s, give or take a fifth. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const seconds = STEPS_S[Math.min(attempt, STEPS_S.length - 1)] ?? STEPS_S[0];
  return Math.round(seconds * 1000 * (1 + JITTER * (2 * random() - 1)));
}
