/** Pointers on the picture: hover and choose a box, enlarge and move the picture, move the map. */
import type { FrameData } from "../api/generated";
import type { Detection, Point } from "../draw/detections";
import { markOf } from "../draw/Picked";
import { viewOptions } from "../draw/viewOptions";
import type { PicturePainter } from "../player/PicturePainter";
import type { Player } from "../player/Player";

/** What the pointer is on, and where. */
export interface Touched extends Point {
  frame: FrameData;
  detection: Detection;
}

/** A pointer that moves less than this, in CSS pixels, has not dragged. */
const STILL_PX = 4;
const WHEEL_STEP = 1.0015;
const DOUBLE_CLICK_ZOOM = 2;

export class PictureTouch {
  readonly #canvas: HTMLCanvasElement;
  readonly #painter: PicturePainter;
  readonly #player: Player;
  readonly #onHover: (touched: Touched | null) => void;
  readonly #gone = new AbortController();
  readonly #pointers = new Map<number, Point>();
  #drags: "picture" | "map" | null = null;
  #travelled = 0;

  constructor(canvas: HTMLCanvasElement, painter: PicturePainter, player: Player, onHover: (touched: Touched | null) => void) {
    this.#canvas = canvas;
    this.#painter = painter;
    this.#player = player;
    this.#onHover = onHover;
    const { signal } = this.#gone;
    canvas.addEventListener("pointerdown", this.#down, { signal });
    canvas.addEventListener("pointermove", this.#move, { signal });
    canvas.addEventListener("pointerup", this.#up, { signal });
    canvas.addEventListener("pointercancel", this.#up, { signal });
    canvas.addEventListener("pointerleave", this.#leave, { signal });
    canvas.addEventListener("dblclick", this.#double, { signal });
    canvas.addEventListener("wheel", this.#wheel, { signal, passive: false });
  }

  stop(): void {
    this.#gone.abort();
  }

  readonly #down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const at = this.#place(event);
    this.#pointers.set(event.pointerId, at);
    this.#canvas.setPointerCapture(event.pointerId);
    this.#drags = this.#painter.isRadarAt(at) ? "map" : "picture";
    this.#travelled = this.#pointers.size > 1 ? Infinity : 0; // two fingers choose nothing
  };

  readonly #move = (event: PointerEvent): void => {
    const before = this.#pointers.get(event.pointerId);
    const at = this.#place(event);
    if (!before) {
      this.#hover(at);
      return;
    }
    this.#travelled += Math.hypot(at.x - before.x, at.y - before.y);
    this.#pointers.set(event.pointerId, at);
    const by = { x: at.x - before.x, y: at.y - before.y };
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) this.#pinch(before, at, other);
    else if (this.#drags === "map") viewOptions.set({ radarAt: this.#painter.radarMoved(by) });
    else this.#painter.pan(by);
  };

  readonly #up = (event: PointerEvent): void => {
    const known = this.#pointers.delete(event.pointerId);
    if (!known || event.type === "pointercancel" || this.#travelled > STILL_PX || this.#drags === "map") return;
    const hit = this.#painter.detectionAt(this.#place(event));
    this.#player.picked.choose(hit && markOf(hit.detection, hit.frame.index));
  };

  readonly #leave = (): void => this.#hover(null);

  readonly #double = (event: MouseEvent): void => {
    if (this.#player.view.zoom() > 1) this.#player.view.reset();
    else this.#painter.zoomBy(DOUBLE_CLICK_ZOOM, this.#place(event));
  };

  /** The wheel enlarges, unless it is needed to scroll the page; with Ctrl always, as on the rest of the page. */
  readonly #wheel = (event: WheelEvent): void => {
    const scrolls = document.documentElement.scrollHeight > window.innerHeight + 1;
    if (scrolls && !event.ctrlKey && this.#player.view.zoom() === 1) return;
    event.preventDefault();
    this.#painter.zoomBy(WHEEL_STEP ** -event.deltaY, this.#place(event));
  };

  #pinch(before: Point, at: Point, other: Point): void {
    const apart = (point: Point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    this.#painter.zoomBy(apart(at) / apart(before), { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 });
    this.#painter.pan({ x: (at.x - before.x) / 2, y: (at.y - before.y) / 2 });
  }

  #hover(at: Point | null): void {
    const hit = at && this.#painter.detectionAt(at);
    const onMap = at !== null && this.#painter.isRadarAt(at);
    this.#canvas.style.cursor = onMap ? "move" : hit ? "pointer" : this.#player.view.zoom() > 1 ? "grab" : "";
    this.#player.picked.hover(hit && markOf(hit.detection, hit.frame.index));
    this.#onHover(hit && { ...hit, ...at });
  }

  #place({ clientX, clientY }: MouseEvent): Point {
    const { left, top } = this.#canvas.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }
}
