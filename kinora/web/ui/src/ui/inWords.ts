/** Any error as a sentence. */
export function inWords(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
