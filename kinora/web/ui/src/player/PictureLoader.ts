/** Loads pictures of a job's frames one at a time; of those wanted meanwhile, only the latest. */
import { frameUrl } from "../api/calls";
import { call } from "../api/http";
import { inWords } from "../ui/inWords";

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
  #last: number | null = null;

  constructor(jobId: string, onPicture: (picture: Picture) => void) {
    this.#jobId = jobId;
    this.#onPicture = onPicture;
  }

  /** Load this picture after the one that is being loaded; if it was the last one loaded, stop loading instead. */
  want(index: number, jpeg: Blob | null = null): void {
    if (index === this.#last) {
      this.stop();
    } else if (index === this.#loading) {
      this.#wanted = null;
    } else {
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
    const picture = await this.#picture(index, jpeg ?? this.#fetched(index, request.signal));
    if (request.signal.aborted) {
      picture.bitmap?.close();
      return;
    }
    this.#last = index;
    this.#onPicture(picture);
    this.#loadWanted();
  }

  async #picture(index: number, jpeg: Blob | Promise<Blob>): Promise<Picture> {
    try {
      return { index, bitmap: await createImageBitmap(await jpeg), fault: null };
    } catch (error) {
      return { index, bitmap: null, fault: inWords(error) };
    }
  }

  async #fetched(index: number, signal: AbortSignal): Promise<Blob> {
    return (await call(frameUrl(this.#jobId, index), { signal })).blob();
  }
}
