/** Saves a job's results as files: the browser writes them to the disk while they come, and shows how far it is. */
import { call } from "../api/http";
import { exportUrl, getVideoProgress, makeVideo, videoUrl, type ExportFormat } from "../api/calls";

/** Between two downloads: browsers drop some of those that begin at once. */
const PAUSE_MS = 300;
const ASK_MS = 1000;

/** Let the browser download what is at `url`; the server names the file. */
function saveLink(url: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  link.click();
}

/** Save the results of a job in a format that some servers cannot make.
 *
 * @throws ApiError if this one cannot.
 */
export async function saveIfMade(jobId: string, format: ExportFormat): Promise<void> {
  const url = exportUrl(jobId, format);
  await (await call(url)).body?.cancel();
  saveLink(url);
}

/** Save the results of each job in a file of its own. */
export async function saveEach(jobIds: readonly string[], format: ExportFormat): Promise<void> {
  for (const id of jobIds) {
    saveLink(exportUrl(id, format));
    await new Promise((next) => setTimeout(next, PAUSE_MS));
  }
}

export interface VideoExport {
  jobId: string;
  /** Called with what is being done, in words. */
  onProgress: (words: string) => void;
  signal: AbortSignal;
}

/** Have the server make the job's video, and then save it. */
export async function saveVideo({ jobId, onProgress, signal }: VideoExport): Promise<void> {
  const ask = () => getVideoProgress(jobId, signal).then((share) => onProgress(share === null ? "waiting for its turn" : `${share}% made`), () => undefined);
  onProgress("being made");
  const timer = setInterval(() => void ask(), ASK_MS);
  try {
    await makeVideo(jobId, signal);
  } finally {
    clearInterval(timer);
  }
  saveLink(videoUrl(jobId));
}
