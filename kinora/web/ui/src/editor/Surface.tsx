import { useEffect, useRef, type PointerEvent } from "react";
import type { Point } from "../draw/detections";
import type { Size } from "../draw/PictureView";
import { dragged, pressed, type Grab } from "./grabs";
import { Cross, PointHandle } from "./handles";
import { centreOf, colorAt, inward, placed, pointsText } from "./shapePaths";
import type { Shape } from "./shapeOptions";
import { finish, mayGrow, setPoint, type Sketch } from "./Sketch";

/** The least way of a drag, in pixels of the screen; a shorter one is a press, and two presses nearer to each other are at one place. */
const DRAG_PX = 8;
/** The longest time between the two presses of a double one. */
const DOUBLE_MS = 500;

interface SurfaceProps {
  picture: ImageBitmap;
  sketch: Sketch;
  onChange: (sketch: Sketch) => void;
}

/** The picture with the shapes on it, which pointers and keys change. */
export function Surface({ picture, sketch, onChange }: SurfaceProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const held = useRef<{ grab: Grab; x: number; y: number } | null>(null);
  const before = useRef({ x: -Infinity, y: -Infinity, at: -Infinity });
  const { size, begun, chosen, shapes } = sketch;

  useEffect(() => {
    canvas.current?.getContext("2d")?.drawImage(picture, 0, 0);
  }, [picture]);

  const placeOf = ({ clientX, clientY }: PointerEvent): Point => {
    const { left, top, width, height } = box.current?.getBoundingClientRect() ?? new DOMRect(0, 0, 1, 1);
    return { x: ((clientX - left) / width) * size.width, y: ((clientY - top) / height) * size.height };
  };
  /** True for the second press of a double one. */
  const isSecond = ({ clientX: x, clientY: y, timeStamp: at }: PointerEvent): boolean => {
    const last = before.current;
    before.current = { x, y, at };
    return at - last.at <= DOUBLE_MS && Math.hypot(x - last.x, y - last.y) <= DRAG_PX;
  };
  const onPointerDown = (event: PointerEvent) => {
    if (event.button !== 0) return;
    if (begun && isSecond(event)) {
      onChange(finish(sketch));
      return;
    }
    const element = (event.target as Element).closest<HTMLElement | SVGElement>("[data-point], [data-middle], [data-shape], [data-first]");
    const [grab, next] = pressed(sketch, element?.dataset ?? {}, placeOf(event));
    held.current = grab && { grab, x: event.clientX, y: event.clientY };
    if (grab) box.current?.setPointerCapture(event.pointerId);
    onChange(next);
  };
  const onPointerMove = (event: PointerEvent) => {
    const [grab, next] = dragged(sketch, held.current?.grab ?? null, placeOf(event));
    if (held.current && grab) held.current = { ...held.current, grab };
    if (next !== sketch) onChange(next);
  };
  const onPointerUp = (event: PointerEvent) => {
    const last = held.current;
    held.current = null;
    if (last?.grab.what !== "pen" || Math.hypot(event.clientX - last.x, event.clientY - last.y) <= DRAG_PX) return;
    onChange(setPoint(sketch, placeOf(event)));
  };
  const release = () => {
    held.current = null;
  };

  return (
    // The cross keeps the focus while a pointer draws, so that keys go on from there.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div ref={box} className="editor-surface" data-drawing={begun !== null} style={{ aspectRatio: `${size.width} / ${size.height}`, inlineSize: `min(100%, ${(60 * size.width) / size.height}dvh)` }}
      onMouseDown={(event) => begun && event.preventDefault()}
      onPointerDown={onPointerDown} onPointerMove={onPointerMove} onPointerUp={onPointerUp} onPointerCancel={release}>
      <canvas ref={canvas} width={size.width} height={size.height} aria-hidden="true" />
      <svg viewBox={`0 0 ${size.width} ${size.height}`} aria-hidden="true">
        {shapes.map((shape, at) => <Outline key={at} shape={shape} size={size} at={at} chosen={at === chosen} />)}
        {begun && <polyline className="begun" points={pointsText([...begun.points, begun.cursor])} style={{ color: colorAt(shapes.length) }} />}
      </svg>
      {shapes.map((shape, at) => <Names key={at} shape={shape} size={size} />)}
      {begun?.points.map((point, number) => (
        <span key={number} className="set-point" data-first={number === 0 ? "" : undefined} style={placed(point, size)} />
      ))}
      {begun ? <Cross sketch={sketch} onChange={onChange} /> : <Handles sketch={sketch} onChange={onChange} />}
    </div>
  );
}

/** A shape's name, and at a line which side is in. */
function Names({ shape: { option, name, points }, size }: { shape: Shape; size: Size }) {
  const arrow = option.kind === "line" ? inward(points, size) : null;
  return (
    <>
      <span className="shape-name" style={placed(arrow && points[0] ? points[0] : centreOf(points), size)} data-above={arrow !== null} aria-hidden="true">{name ?? option.noun}</span>
      {arrow && <span className="shape-name" style={placed(arrow[1], size)} aria-hidden="true">in</span>}
    </>
  );
}

function Outline({ shape: { option, points }, size, at, chosen }: { shape: Shape; size: Size; at: number; chosen: boolean }) {
  const text = pointsText(points);
  const arrow = option.kind === "line" ? inward(points, size) : null;
  return (
    <g data-shape={at} data-chosen={chosen} style={{ color: colorAt(at) }}>
      {option.kind === "polygon" ? <polygon points={text} /> : <polyline className="wide" points={text} />}
      {option.kind === "line" && <polyline points={text} />}
      {arrow && <polyline points={pointsText(arrow)} />}
    </g>
  );
}

/** The points of the chosen shape, and between those of a polygon where a new one can be pulled out. */
function Handles({ sketch, onChange }: { sketch: Sketch; onChange: (sketch: Sketch) => void }) {
  const { shapes, chosen, size } = sketch;
  const shape = shapes[chosen];
  if (!shape) return null;
  const { points, option } = shape;
  return (
    <>
      {mayGrow(option, points) && points.map((point, number) => (
        <span key={number} className="edge-middle" data-middle={number} style={placed(centreOf([point, points[(number + 1) % points.length] ?? point]), size)} />
      ))}
      {points.map((point, number) => (
        <PointHandle key={number} sketch={sketch} number={number} point={point} onChange={onChange} />
      ))}
    </>
  );
}
