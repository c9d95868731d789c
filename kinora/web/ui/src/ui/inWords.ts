/** An error's message, for people. */
export function inWords(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
