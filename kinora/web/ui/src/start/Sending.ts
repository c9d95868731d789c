/** Starts jobs, and sends their files one after the other; goes on while the form is out of sight. */
import { submitJob } from "../api/calls";
import type { JobRequest } from "../api/generated";
import { uploadJob } from "../api/upload";
import { keepFile } from "./sentFiles";

/** What is being sent now. */
export interface Progress {
  /** The file's name; empty for a job without one. */
  name: string;
  /** The number of the file, from 1, and of all. */
  number: number;
  count: number;
  /** 0 to 1. */
  share: number;
}

export class Sending {
  readonly #listeners = new Set<() => void>();
  #progress: Progress | null = null;
  #abort = new AbortController();

  readonly get = (): Progress | null => this.#progress;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Start a job for each file, or one if there are none, and call `onStarted` after each.
   *
   * @throws ApiError for the first that cannot be started; further ones are then not sent. A cancel ends it quietly.
   */
  async start(request: JobRequest, files: readonly File[], onStarted: (jobId: string, file: File | null) => void): Promise<void> {
    this.#abort = new AbortController();
    try {
      if (files.length === 0) {
        this.#become({ name: "", number: 1, count: 1, share: 0 });
        onStarted((await submitJob(request)).jobId, null);
      }
      for (const [at, file] of files.entries()) {
        const jobId = await this.#send(request, file, { name: file.name, number: at + 1, count: files.length, share: 0 });
        keepFile(jobId, file);
        onStarted(jobId, file);
      }
    } catch (fault) {
      if (!this.#abort.signal.aborted) throw fault;
    } finally {
      this.#become(null);
    }
  }

  readonly cancel = (): void => this.#abort.abort();

  #send(request: JobRequest, file: File, progress: Progress): Promise<string> {
    this.#become(progress);
    const onProgress = (sent: number, total: number) => this.#become({ ...progress, share: total > 0 ? sent / total : 0 });
    return uploadJob(request, file, { onProgress, signal: this.#abort.signal });
  }

  #become(progress: Progress | null): void {
    this.#progress = progress;
    for (const listener of this.#listeners) listener();
  }
}

export const sending = new Sending();
