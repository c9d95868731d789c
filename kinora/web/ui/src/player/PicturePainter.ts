/** Paints a job's picture and its results on a canvas, at most once per animation frame. */
import type { FrameData } from "../api/generated";
import { allDetections } from "../draw/detections";
import { drawOverlay } from "../draw/drawOverlay";
import { drawRadar, RADAR } from "../draw/drawRadar";
import { sharpCanvas } from "../draw/sharpCanvas";
import { TRAIL_FRAMES, trailsOf } from "../draw/trails";
import type { ViewOptions } from "../draw/viewOptions";
import { paintScheduler } from "../realtime/paintScheduler";
import { PictureLoader, type Picture } from "./PictureLoader";
import type { Player } from "./Player";

export class PicturePainter {
  readonly #canvas: HTMLCanvasElement;
  readonly #player: Player;
  readonly #options: () => ViewOptions;
  readonly #onShown: (frame: FrameData, fault: string | null) => void;
  readonly #loader: PictureLoader;
  readonly #paint = paintScheduler(() => this.#draw());
  #picture: Picture | null = null;
  #wantedAt = 0;
  #later: ReturnType<typeof setTimeout> | undefined;

  constructor(
    canvas: HTMLCanvasElement,
    player: Player,
    options: () => ViewOptions,
    onShown: (frame: FrameData, fault: string | null) => void,
  ) {
    this.#canvas = canvas;
    this.#player = player;
    this.#options = options;
    this.#onShown = onShown;
    this.#loader = new PictureLoader(player.jobId, (picture) => {
      // If loading fails, keep the old picture: a running job has a next one, and a live source's cannot be loaded again.
      const isBetter = this.#picture?.bitmap && (player.isLive || picture.index === this.#picture.index);
      if (!picture.bitmap && isBetter) return;
      this.#picture?.bitmap?.close();
      this.#picture = picture;
      this.#paint.request();
    });
  }

  /** Load and paint what has changed. */
  readonly poke = (): void => {
    const sent = this.#player.sentPicture();
    const { index } = this.#player;
    if (sent) this.#loader.want(sent.index, sent.jpeg);
    else if (index >= 0) this.#wantPicture(index);
    this.#player.frameAt(index); // starts to fetch its results
    this.#paint.request();
  };

  stop(): void {
    clearTimeout(this.#later);
    this.#paint.cancel();
    this.#loader.stop();
    this.#picture?.bitmap?.close();
    this.#picture = null;
  }

  /** Fetch a picture; of a live job no more per second than the user asked for. */
  #wantPicture(index: number): void {
    const pause = this.#wantedAt + 1000 / this.#options().fps - performance.now();
    clearTimeout(this.#later);
    if (pause > 1 && this.#player.isLive) {
      this.#later = setTimeout(this.poke, pause);
      return;
    }
    this.#wantedAt = performance.now();
    this.#loader.want(index);
  }

  /** Draw a picture with its own results, so that both are in step; while either is missing, keep what is there. */
  #draw(): void {
    const picture = this.#picture;
    const frame = picture && this.#player.frameAt(picture.index);
    if (!frame) return;
    const context = sharpCanvas(this.#canvas);
    if (context) this.#drawFrame(context, frame, picture);
    this.#onShown(frame, picture.fault); // last, because it changes the page, and sizes are read above
  }

  #drawFrame(context: CanvasRenderingContext2D, frame: FrameData, picture: Picture): void {
    const size = picture.bitmap ?? frame;
    const { clientWidth, clientHeight } = this.#canvas;
    const fit = Math.min(clientWidth / size.width, clientHeight / size.height);
    context.save();
    context.translate((clientWidth - size.width * fit) / 2, (clientHeight - size.height * fit) / 2);
    context.fillStyle = "#0b1220";
    context.fillRect(0, 0, size.width * fit, size.height * fit);
    if (picture.bitmap) context.drawImage(picture.bitmap, 0, 0, size.width * fit, size.height * fit);
    // A picture may be smaller than its frame; boxes are in pixels of the frame.
    this.#drawResults(context, frame, (size.width * fit) / frame.width);
    context.restore();
  }

  #drawResults(context: CanvasRenderingContext2D, frame: FrameData, scale: number): void {
    const options = this.#options();
    if (!options.overlay) return;
    drawOverlay(context, frame, scale, options);
    if (!options.radar) return;
    const present = new Set(allDetections(frame).flatMap(({ trackId }) => trackId ?? []));
    const [width, height] = [frame.width * scale, frame.height * scale];
    const size = Math.min(RADAR.largest, width / RADAR.share);
    context.translate(width - RADAR.width * size - RADAR.margin, height - RADAR.height * size - RADAR.margin);
    context.scale(size, size);
    drawRadar(context, trailsOf([...this.#player.framesBefore(frame.index, TRAIL_FRAMES), frame]), present);
  }
}
