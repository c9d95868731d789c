const MAX_STEM = 80;

/** The name for a file of a job's results: its source's, the beginning of its id, and what kind of file it is. */
export function fileName(source: string, jobId: string, suffix: string): string {
  return `${stemOf(source)}-${jobId.slice(0, 8)}.${suffix}`;
}

function stemOf(source: string): string {
  const name = source.replace(/[?#].*$/, "").split("/").findLast((part) => part !== "") ?? "";
  const stem = name.replace(/\.[^.]*$/, "").replace(/:$/, "").replace(/[^\p{L}\p{N} ._()-]+/gu, "_").slice(0, MAX_STEM);
  return /[\p{L}\p{N}]/u.test(stem) ? stem : "kinora";
}
