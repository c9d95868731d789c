/** The files that this page has sent, by the id of their job. */

/** A `File` refers to its bytes and holds none. It is valid in this page only, not after a reload. */
const files = new Map<string, File>();

export function keepFile(jobId: string, file: File): void {
  files.set(jobId, file);
}

export const fileOf = (jobId: string): File | null => files.get(jobId) ?? null;
