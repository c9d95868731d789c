import { useEffect, useRef, type KeyboardEvent } from "react";
import type { Point } from "../draw/detections";
import { placed } from "./shapePaths";
import { insertPoint, moveCursor, movePoint, removePoint, setPoint, takeBack, within, type Sketch } from "./Sketch";

const STEPS: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};
/** How much farther a step goes with Shift, in pixels of the picture. */
const LONG_STEP = 10;

/** How far an arrow key moves, in pixels of the picture; null for all other keys. */
function stepOf({ key, shiftKey }: KeyboardEvent): Point | null {
  const step = STEPS[key];
  const length = shiftKey ? LONG_STEP : 1;
  return step ? { x: step.x * length, y: step.y * length } : null;
}

interface HandleProps {
  sketch: Sketch;
  onChange: (sketch: Sketch) => void;
}

/** A point of the chosen shape. */
export function PointHandle({ sketch, onChange, number, point }: HandleProps & { number: number; point: Point }) {
  const { chosen, shapes, size } = sketch;
  const shape = shapes[chosen];
  const onKeyDown = (event: KeyboardEvent) => {
    const next = changedByKey(sketch, number, point, event);
    if (!next) return;
    event.preventDefault();
    onChange(next);
  };
  return (
    <button type="button" className="point-handle" data-point={number} style={placed(point, size)} onKeyDown={onKeyDown}
      aria-label={`Point ${number + 1} of ${shape?.name ?? shape?.option.noun}: ${point.x}, ${point.y}`} />
  );
}

function changedByKey(sketch: Sketch, number: number, { x, y }: Point, event: KeyboardEvent): Sketch | null {
  const step = stepOf(event);
  if (step) return movePoint(sketch, sketch.chosen, number, { x: x + step.x, y: y + step.y });
  if (event.key === "Delete" || event.key === "Backspace") return removePoint(sketch, sketch.chosen, number);
  return event.key === "Insert" || event.key === "+" ? insertPoint(sketch, sketch.chosen, number) : null;
}

/** Where the keyboard sets the next point of the shape that is being drawn. */
export function Cross({ sketch, onChange }: HandleProps) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  const cursor = within(sketch.size, sketch.begun?.cursor ?? { x: 0, y: 0 });
  const onKeyDown = (event: KeyboardEvent) => {
    const step = stepOf(event);
    if (!step && event.key !== "Backspace") return;
    event.preventDefault();
    onChange(step ? moveCursor(sketch, step) : takeBack(sketch));
  };
  return (
    <button ref={button} type="button" className="cross" style={placed(cursor, sketch.size)} onKeyDown={onKeyDown} onClick={() => onChange(setPoint(sketch, cursor))}
      aria-label={`Set a point at ${cursor.x}, ${cursor.y}`} />
  );
}
