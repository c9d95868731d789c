/** Sends a job with its file, and says how far that is: `fetch` cannot. */
import { at } from "./base";
import type { JobRequest, JobResponse } from "./generated";
import { ApiError, problemIn, tellRefused } from "./http";

export interface UploadWatch {
  /** Called with the bytes sent so far and in all. */
  onProgress: (sent: number, total: number) => void;
  signal: AbortSignal;
}

/** Start a job on `file`, and return its id.
 *
 * @throws ApiError if the server refuses it or cannot be reached, and the signal's reason once that is aborted.
 */
export function uploadJob({ source: _source, ...request }: JobRequest, file: File, { onProgress, signal }: UploadWatch): Promise<string> {
  const form = new FormData();
  form.append("request", JSON.stringify(request));
  form.append("file", file);
  return new Promise((done, failed) => {
    const sender = new XMLHttpRequest();
    const abort = () => sender.abort();
    sender.upload.onprogress = ({ loaded, total }) => onProgress(loaded, total);
    sender.onload = () => {
      const answer = parse(sender.responseText);
      if (sender.status === 202) done((answer as JobResponse).job_id);
      else failed(problemIn(answer, sender.status, sender.statusText));
      if (sender.status === 401) tellRefused();
    };
    sender.onerror = () => failed(new ApiError("The file could not be sent: check that the server is running."));
    sender.onabort = () => failed(signal.reason as Error);
    sender.onloadend = () => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort);
    sender.open("POST", at("/v1/jobs"));
    sender.send(form);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
