/** The part of the picture that is in view: how far it is enlarged, and around which point. */
import type { Point } from "./detections";

export interface Size {
  width: number;
  height: number;
}

/** Where a picture is on a canvas, in CSS pixels. */
export interface Placing {
  left: number;
  top: number;
  /** CSS pixels for each pixel of the picture. */
  scale: number;
}

const MAX_ZOOM = 16;

export class PictureView {
  readonly #listeners = new Set<() => void>();
  #zoom = 1;
  /** The middle of the view, in shares (0 to 1) of the picture's size. */
  #middle: Point = { x: 0.5, y: 0.5 };

  /** 1 if the whole picture is in view. */
  readonly zoom = (): number => this.#zoom;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  placing(canvas: Size, picture: Size): Placing {
    const scale = this.#zoom * Math.min(canvas.width / picture.width, canvas.height / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    return { left: start(canvas.width, width, this.#middle.x), top: start(canvas.height, height, this.#middle.y), scale };
  }

  /** Enlarge by `factor`; the point of the picture that is at `at` on the canvas stays there. */
  zoomBy(factor: number, at: Point, canvas: Size, picture: Size): void {
    const before = this.placing(canvas, picture);
    this.#zoom = Math.min(MAX_ZOOM, Math.max(1, this.#zoom * factor));
    const grown = this.placing(canvas, picture).scale / before.scale;
    const left = at.x - (at.x - before.left) * grown;
    const top = at.y - (at.y - before.top) * grown;
    this.#moveTo(left, top, canvas, picture);
  }

  /** Move the picture by CSS pixels; its edges stay outside of the canvas. */
  pan(by: Point, canvas: Size, picture: Size): void {
    const { left, top } = this.placing(canvas, picture);
    this.#moveTo(left + by.x, top + by.y, canvas, picture);
  }

  reset(): void {
    this.#zoom = 1;
    this.#middle = { x: 0.5, y: 0.5 };
    this.#tell();
  }

  #moveTo(left: number, top: number, canvas: Size, picture: Size): void {
    const { scale } = this.placing(canvas, picture);
    this.#middle = {
      x: middleOf(canvas.width, picture.width * scale, left),
      y: middleOf(canvas.height, picture.height * scale, top),
    };
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function start(room: number, length: number, middle: number): number {
  if (length <= room) return (room - length) / 2;
  return Math.min(0, Math.max(room - length, room / 2 - middle * length));
}

function middleOf(room: number, length: number, begin: number): number {
  if (length <= room) return 0.5;
  return (room / 2 - Math.min(0, Math.max(room - length, begin))) / length;
}
