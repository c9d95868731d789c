/** The newest pictures and results of one job on the wall. */
import type { FrameData, FramePayload } from "../api/generated";
import type { BinaryPicture } from "../realtime/binaryPicture";
import { FrameBuffer } from "../realtime/FrameBuffer";

/** The most frames whose results are kept; older ones go. */
const MAX_FRAMES = 40;
/** The most pictures that wait for their frames' results; older ones go. */
const MAX_PICTURES = 16;

export interface Shot {
  frame: FrameData;
  jpeg: Blob;
}

export class TileFrames {
  readonly #frames = new FrameBuffer(MAX_FRAMES);
  readonly #pictures = new Map<number, Blob>();
  readonly #onNews: () => void;

  constructor(onNews: () => void) {
    this.#onNews = onNews;
  }

  readonly addFrame = (payload: FramePayload): void => {
    this.#frames.add(payload, performance.now());
    this.#onNews();
  };

  readonly addPicture = ({ index, jpeg }: BinaryPicture): void => {
    this.#pictures.set(index, jpeg);
    for (const old of this.#pictures.keys()) {
      if (this.#pictures.size <= MAX_PICTURES) break;
      this.#pictures.delete(old);
    }
    this.#onNews();
  };

  /** The newest picture whose frame has the results of all plugins that keep up; null before the first. */
  newest(): Shot | null {
    const last = this.#frames.newest(performance.now(), Infinity)?.index ?? -1;
    const index = Math.max(-1, ...[...this.#pictures.keys()].filter((at) => at <= last));
    const [frame, jpeg] = [this.#frames.get(index), this.#pictures.get(index)];
    return frame && jpeg ? { frame, jpeg } : null;
  }
}
