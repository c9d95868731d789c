/** Loads pictures of a job's frames one at a time; of those wanted meanwhile, only the latest. */
import { frameUrl } from "../api/calls";
import { ApiError, call } from "../api/http";
import { inWords } from "../ui/inWords";

/** The pause before a picture is asked for again that the server could not give just now. */
export const RETRY_MS = 2000;

export interface Picture {
  index: number;
  /** Null if it cannot be loaded, for the reason in `fault`. */
  bitmap: ImageBitmap | null;
  fault: string | null;
}

interface Wanted {
  index: number;
  /** Null if it has to be fetched. */
  jpeg: Blob | null;
}

export class PictureLoader {
  readonly #jobId: string;
  readonly #onPicture: (picture: Picture) => void;
  #request: AbortController | null = null;
  #loading: number | null = null;
  #wanted: Wanted | null = null;
  /** The last one that was told: with its picture, or as one that there is not. */
  #last: number | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(jobId: string, onPicture: (picture: Picture) => void) {
    this.#jobId = jobId;
    this.#onPicture = onPicture;
  }

  /** Load this picture after the one that is being loaded; if it was the last one loaded, stop loading instead. */
  want(index: number, jpeg: Blob | null = null): void {
    if (index === this.#last) {
      this.#halt();
    } else if (index === this.#loading) {
      this.#wanted = null;
    } else {
      clearTimeout(this.#retry);
      this.#wanted = { index, jpeg };
      if (this.#loading === null) this.#loadWanted();
    }
  }

  /** Tell that there is no picture of this frame, for a reason that is known without asking. */
  miss(index: number, fault: string): void {
    this.stop();
    if (index === this.#last) return;
    this.#last = index;
    this.#onPicture({ index, bitmap: null, fault });
  }

  /** Load nothing until something is wanted again. */
  stop(): void {
    clearTimeout(this.#retry);
    this.#halt();
  }

  #halt(): void {
    this.#request?.abort();
    this.#loading = this.#wanted = null;
  }

  #loadWanted(): void {
    const wanted = this.#wanted;
    this.#wanted = null;
    this.#loading = wanted?.index ?? null;
    if (wanted) void this.#load(wanted);
  }

  async #load({ index, jpeg }: Wanted): Promise<void> {
    const request = (this.#request = new AbortController());
    try {
      const bitmap = await createImageBitmap(jpeg ?? (await this.#fetched(index, request.signal)));
      if (request.signal.aborted) bitmap.close();
      else this.#tell({ index, bitmap, fault: null });
    } catch (error) {
      if (!request.signal.aborted) this.#fail(index, error);
    }
  }

  #tell(picture: Picture): void {
    this.#last = picture.index;
    this.#onPicture(picture);
    this.#loadWanted();
  }

  /** Tell that there is no picture. It is asked for again, unless another one is wanted, if the server may have it later. */
  #fail(index: number, error: unknown): void {
    this.#tell({ index, bitmap: null, fault: inWords(error) });
    if (this.#loading !== null || !mayPass(error)) return;
    this.#retry = setTimeout(() => {
      this.#last = null;
      this.want(index);
    }, RETRY_MS);
  }

  async #fetched(index: number, signal: AbortSignal): Promise<Blob> {
    return (await call(frameUrl(this.#jobId, index), { signal })).blob();
  }
}

/** True for the errors of a server that is away, or too busy, for a while. */
function mayPass(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);
}
