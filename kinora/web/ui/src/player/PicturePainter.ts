/** Paints a job's picture and its results on a canvas, at most once per animation frame. */
import type { FrameData } from "../api/generated";
import { allDetections, contains, visibleDetections, type Detection, type Point } from "../draw/detections";
import { drawOverlay } from "../draw/drawOverlay";
import { drawRadar, RADAR, radarBox, radarMoved } from "../draw/drawRadar";
import type { Placing, Size } from "../draw/PictureView";
import { overlap, type Rect } from "../draw/placeLabels";
import { skeletonsOf } from "../draw/pose";
import { sharpCanvas } from "../draw/sharpCanvas";
import { TRAIL_FRAMES, trailsOf } from "../draw/trails";
import type { ViewOptions } from "../draw/viewOptions";
import { paintScheduler } from "../realtime/paintScheduler";
import { PictureLoader, type Picture } from "./PictureLoader";
import type { Player } from "./Player";

/** Results of an earlier frame are paler, so that they are not taken for those of the picture. */
const HELD_ALPHA = 0.5;
const NOT_KEPT = "The pictures of a live source are not kept: these are the results.";

/** The frame on the canvas and its place there. */
interface Drawn extends Placing {
  frame: FrameData;
  canvas: Size;
}

export class PicturePainter {
  readonly #canvas: HTMLCanvasElement;
  readonly #player: Player;
  readonly #options: () => ViewOptions;
  readonly #onShown: (frame: FrameData, fault: string | null) => void;
  readonly #loader: PictureLoader;
  readonly #paint = paintScheduler(() => this.#draw());
  #picture: Picture | null = null;
  #drawn: Drawn | null = null;
  #looks: readonly unknown[] = [];
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

  /** The frame that is drawn and its detection at this point of the canvas: of several the smallest one; null if there is none. */
  detectionAt({ x, y }: Point): { frame: FrameData; detection: Detection } | null {
    const options = this.#options();
    if (!this.#drawn || !options.overlay || !options.boxes) return null;
    const { frame, left, top, scale } = this.#drawn;
    const at = { x: (x - left) / scale, y: (y - top) / scale };
    const hit = visibleDetections(frame, options).filter((found) => contains(found, at));
    const smallest = hit.toSorted((a, b) => a.width * a.height - b.width * b.height)[0];
    return smallest ? { frame, detection: smallest } : null;
  }

  /** True if the map is drawn at this point of the canvas. */
  isRadarAt({ x, y }: Point): boolean {
    const { overlay, radar, radarAt } = this.#options();
    if (!this.#drawn || !overlay || !radar) return false;
    const { left, top } = this.#drawn;
    const box = radarBox(inView(this.#drawn), radarAt);
    return overlap(box, { x: x - left, y: y - top, width: 0, height: 0 });
  }

  /** The place of the map after it was moved by so many CSS pixels. */
  radarMoved(by: Point): Point {
    const { radarAt } = this.#options();
    return this.#drawn ? radarMoved(inView(this.#drawn), radarAt, by) : radarAt;
  }

  /** Enlarge the picture around this point of the canvas. */
  zoomBy(factor: number, at: Point): void {
    if (this.#drawn) this.#player.view.zoomBy(factor, at, this.#drawn.canvas, this.#drawn.frame);
  }

  pan(by: Point): void {
    if (this.#drawn) this.#player.view.pan(by, this.#drawn.canvas, this.#drawn.frame);
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

  /** Fetch a picture; of a running job no more per second than the user asked for. That of a live source comes by itself. */
  #wantPicture(index: number): void {
    if (!this.#player.keepsPictures) {
      if (!this.#player.isLive) this.#loader.miss(index, NOT_KEPT);
      return;
    }
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
    if (!frame || !this.#hasChanged(frame, picture)) return;
    const context = sharpCanvas(this.#canvas);
    if (context) this.#drawFrame(context, frame, picture);
    this.#onShown(frame, picture.fault); // last, because it changes the page, and sizes are read above
  }

  /** True if the canvas would look different than when this was last asked: messages often come without a new picture. */
  #hasChanged(frame: FrameData, picture: Picture): boolean {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const { left, top, scale } = this.#player.view.placing({ width, height }, picture.bitmap ?? frame);
    const options = this.#options();
    // The trails on the map may become longer when earlier frames have been loaded.
    const loaded = options.radar ? this.#player.getState().version : 0;
    const results = Object.keys(frame.results).length;
    const looks = [frame, picture, results, this.#player.heldVersion, options, this.#player.picked.get(), this.#player.metadata, width, height, window.devicePixelRatio, left, top, scale, loaded];
    const changed = looks.some((value, at) => value !== this.#looks[at]);
    this.#looks = looks;
    return changed;
  }

  #drawFrame(context: CanvasRenderingContext2D, frame: FrameData, picture: Picture): void {
    const size = picture.bitmap ?? frame;
    const canvas = { width: this.#canvas.clientWidth, height: this.#canvas.clientHeight };
    const { left, top, scale } = this.#player.view.placing(canvas, size);
    const [width, height] = [size.width * scale, size.height * scale];
    // A picture may be smaller than its frame; boxes are in pixels of the frame.
    this.#drawn = { frame, left, top, scale: width / frame.width, canvas };
    context.save();
    context.translate(left, top);
    context.fillStyle = "#0b1220";
    context.fillRect(0, 0, width, height);
    if (picture.bitmap) context.drawImage(picture.bitmap, 0, 0, width, height);
    // What lies beyond the picture is drawn no more than in a video of it.
    context.beginPath();
    context.rect(0, 0, width, height);
    context.clip();
    if (this.#options().overlay) this.#drawResults(context, this.#drawn);
    context.restore();
  }

  #drawResults(context: CanvasRenderingContext2D, drawn: Drawn): void {
    const options = this.#options();
    const { frame, scale } = drawn;
    const view = inView(drawn);
    const skeletons = skeletonsOf(this.#player.metadata);
    const held = this.#player.heldFor(frame);
    if (held) {
      context.globalAlpha = HELD_ALPHA;
      drawOverlay(context, held, scale, options, { skeletons, view });
      context.globalAlpha = 1;
    }
    drawOverlay(context, frame, scale, options, { picks: this.#player.picked.get(), skeletons, view });
    if (!options.radar) return;
    const present = new Set(allDetections(frame).flatMap(({ trackId }) => trackId ?? []));
    const box = radarBox(view, options.radarAt);
    context.translate(box.x, box.y);
    context.scale(box.width / RADAR.width, box.width / RADAR.width);
    drawRadar(context, trailsOf([...this.#player.framesBefore(frame.index, TRAIL_FRAMES), frame]), present);
  }
}

/** The part of the picture that is on the canvas, in CSS pixels from the picture's upper left corner. */
function inView({ frame, left, top, scale, canvas }: Drawn): Rect {
  const [x, y] = [Math.max(0, -left), Math.max(0, -top)];
  return { x, y, width: Math.min(frame.width * scale - x, canvas.width - Math.max(0, left)), height: Math.min(frame.height * scale - y, canvas.height - Math.max(0, top)) };
}
