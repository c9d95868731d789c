import { useId } from "react";
import { IconButton } from "../ui/Button";
import { count } from "../ui/format";
import { colorAt } from "./shapePaths";
import { choose, nameFault, removeShape, rename, turn, type Sketch } from "./Sketch";

interface ShapeListProps {
  sketch: Sketch;
  onChange: (sketch: Sketch) => void;
}

/** The shapes with their names; the one that has the focus is the chosen one on the picture. */
export function ShapeList({ sketch, onChange }: ShapeListProps) {
  const { shapes, chosen } = sketch;
  const id = useId();
  return (
    <ul className="shape-list" aria-label="What is drawn">
      {shapes.map(({ option, name, points }, at) => {
        const called = name ?? option.noun;
        const fault = nameFault(sketch, at);
        const number = shapes.slice(0, at + 1).filter((shape) => shape.option.name === option.name).length;
        return (
          <li key={at} data-chosen={at === chosen} onFocus={() => at !== chosen && onChange(choose(sketch, at))}>
            <i className="dot" style={{ background: colorAt(at) }} />
            {name === null
              ? <button type="button" className="link">{called}</button>
              : <input value={name} maxLength={option.longestName} aria-label={`Name of ${option.noun} ${number}`}
                aria-invalid={fault !== null} aria-describedby={`${id}-${at}`} onChange={(event) => onChange(rename(sketch, at, event.target.value))} />}
            <span id={`${id}-${at}`} className={fault === null ? "hint" : "bad-text"}>{fault ?? (option.kind === "line" ? option.noun : `${option.noun}, ${count(points.length, "point")}`)}</span>
            {option.kind === "line" && <IconButton icon="again" label={`Turn ${called} round: in becomes out`} onClick={() => onChange(turn(sketch, at))} />}
            <IconButton icon="trash" label={`Delete ${called}`} onClick={() => onChange(removeShape(sketch, at))} />
          </li>
        );
      })}
    </ul>
  );
}
