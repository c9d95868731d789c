/** The files that this page has sent, by the job that each went with. */

/** They hold no bytes, only where those are; a browser gives them to this page alone, and to none after it. */
const files = new Map<string, File>();

export function keepFile(jobId: string, file: File): void {
  files.set(jobId, file);
}

export const fileOf = (jobId: string): File | null => files.get(jobId) ?? null;
