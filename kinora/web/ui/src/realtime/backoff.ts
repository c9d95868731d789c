const STEPS_S = [1, 2, 4, 8, 16] as const;
const JITTER = 0.2;

/** The number of failed attempts in a row after which the page polls, though it keeps trying to connect. */
export const GIVE_UP_AFTER = STEPS_S.length;

/** The milliseconds to wait before an attempt, counted from 0: 1, 2, 4, 8, 16, 16 … s, more or less by up to a fifth. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const seconds = STEPS_S[Math.min(attempt, STEPS_S.length - 1)] ?? STEPS_S[0];
  return Math.round(seconds * 1000 * (1 + JITTER * (2 * random() - 1)));
}
