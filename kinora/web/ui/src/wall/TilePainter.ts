/** Paints a job's newest picture with its results; decodes one picture at a time, and leaves out those that came meanwhile. */
import type { FrameData } from "../api/generated";
import { drawOverlay } from "../draw/drawOverlay";
import type { Skeletons } from "../draw/pose";
import { PictureView } from "../draw/PictureView";
import { sharpCanvas } from "../draw/sharpCanvas";
import { viewOptions } from "../draw/viewOptions";
import { paintScheduler } from "../realtime/paintScheduler";
import { TileFrames, type Shot } from "./TileFrames";

export class TilePainter {
  readonly frames = new TileFrames(() => this.poke());
  readonly #canvas: HTMLCanvasElement;
  readonly #onShown: (frame: FrameData) => void;
  readonly #skeletons: () => Skeletons;
  readonly #view = new PictureView();
  readonly #paint = paintScheduler(() => this.#draw());
  #shown: { frame: FrameData; bitmap: ImageBitmap } | null = null;
  #decoding = false;
  #stopped = false;

  constructor(canvas: HTMLCanvasElement, skeletons: () => Skeletons, onShown: (frame: FrameData) => void) {
    this.#canvas = canvas;
    this.#skeletons = skeletons;
    this.#onShown = onShown;
  }

  /** Decode and paint what has come. */
  poke(): void {
    const next = this.frames.newest();
    if (next && next.frame.index !== this.#shown?.frame.index && !this.#decoding) void this.#decode(next);
  }

  /** Paint again, as the canvas or what is drawn has changed. */
  readonly repaint = (): void => this.#paint.request();

  stop(): void {
    this.#stopped = true;
    this.#paint.cancel();
    this.#shown?.bitmap.close();
    this.#shown = null;
  }

  async #decode({ frame, jpeg }: Shot): Promise<void> {
    this.#decoding = true;
    const bitmap = await createImageBitmap(jpeg).catch(() => null);
    this.#decoding = false;
    if (this.#stopped) bitmap?.close();
    if (this.#stopped || !bitmap) return;
    this.#shown?.bitmap.close();
    this.#shown = { frame, bitmap };
    this.#paint.request();
    this.poke();
  }

  #draw(): void {
    if (!this.#shown) return;
    const { frame, bitmap } = this.#shown;
    const context = sharpCanvas(this.#canvas);
    if (!context) return;
    const { left, top, scale } = this.#view.placing({ width: this.#canvas.clientWidth, height: this.#canvas.clientHeight }, bitmap);
    context.translate(left, top);
    context.drawImage(bitmap, 0, 0, bitmap.width * scale, bitmap.height * scale);
    const options = viewOptions.get();
    // A picture may be smaller than its frame; boxes are in pixels of the frame.
    if (options.overlay) drawOverlay(context, frame, (bitmap.width * scale) / frame.width, options, { skeletons: this.#skeletons() });
    this.#onShown(frame);
  }
}
