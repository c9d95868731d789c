/** Takes JPEGs from a stream of a camera. */

const JPEG_QUALITY = 0.85;

export class Shutter {
  readonly #video = document.createElement("video");
  readonly #canvas = document.createElement("canvas");
  #taken = -1;

  constructor(stream: MediaStream) {
    this.#video.muted = true;
    this.#video.playsInline = true;
    this.#video.srcObject = stream;
    // A browser that refuses to play gives no pictures.
    void this.#video.play().catch(() => undefined);
  }

  /** The picture of now; null if it is the one of the last call, or there is none yet. */
  async take(): Promise<Blob | null> {
    const { videoWidth: width, videoHeight: height, currentTime } = this.#video;
    if (width === 0 || currentTime === this.#taken) return null;
    this.#taken = currentTime;
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.#canvas.getContext("2d")?.drawImage(this.#video, 0, 0);
    return new Promise((done) => this.#canvas.toBlob(done, "image/jpeg", JPEG_QUALITY));
  }

  stop(): void {
    this.#video.srcObject = null;
  }
}
