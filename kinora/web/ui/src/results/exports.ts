/** A job's results as files: each tells how far it is, and ends when its signal is aborted. */
import { getExtended, getVideoProgress, makeVideo, streamFrames, videoUrl } from "../api/calls";
import { bytes } from "../ui/format";
import { saveBlob, saveLink } from "./saveBlob";

export interface Export {
  jobId: string;
  /** The file's name. */
  name: string;
  /** Called with what is being done, in words. */
  onProgress: (words: string) => void;
  signal: AbortSignal;
}

const ASK_MS = 1000;

export async function saveFrames(type: "application/x-ndjson" | "text/csv", { jobId, name, onProgress, signal }: Export): Promise<void> {
  saveBlob(await received(await streamFrames(jobId, type, -1, signal), onProgress), name);
}

/** Save the job's state with all its frames as JSON, joined from pieces so that the frames need not be parsed. */
export async function saveJob({ jobId, name, onProgress, signal }: Export): Promise<void> {
  const { frames: _none, ...state } = await getExtended(jobId, signal);
  const lines = await (await received(await streamFrames(jobId, "application/x-ndjson", -1, signal), onProgress)).text();
  const list = lines.trimEnd().replaceAll("\n", ",\n");
  const head = JSON.stringify(state, null, 1).slice(0, -2);
  saveBlob(new Blob([head, ',\n "frames": [\n', list, "\n]}\n"], { type: "application/json" }), name);
}

/** Have the server make the job's video, and then let the browser download it to the disk by itself. */
export async function saveVideo({ jobId, onProgress, signal }: Export): Promise<void> {
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

async function received(response: Response, onProgress: (words: string) => void): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    parts.push(read.value);
    size += read.value.length;
    onProgress(`${bytes(size)} received`);
  }
  return new Blob(parts, { type: response.headers.get("Content-Type") ?? "" });
}
