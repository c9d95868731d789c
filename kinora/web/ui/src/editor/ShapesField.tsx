import { lazy, Suspense, useContext, useMemo, useState } from "react";
import type { JsonObject } from "../api/generated";
import { Button } from "../ui/Button";
import { count } from "../ui/format";
import { Notice } from "../ui/Notice";
import type { PictureSource } from "./picture";
import { PictureOf } from "./PictureOf";
import { shapesIn, withShapes, type Shape, type ShapeOption } from "./shapeOptions";

/** Loaded when it is first opened. */
const ShapeEditor = lazy(() => import("./ShapeEditor").then(({ ShapeEditor: editor }) => ({ default: editor })));

interface ShapesFieldProps {
  shapeOptions: readonly ShapeOption[];
  options: JsonObject;
  onChange: (options: JsonObject) => void;
}

/** What is drawn for a plugin, with a button to draw it on the picture. */
export function ShapesField({ shapeOptions, options, onChange }: ShapesFieldProps) {
  const pictureOf = useContext(PictureOf);
  const [from, setFrom] = useState<PictureSource | string | null>(null);
  const shapes = useMemo(() => shapesIn(options, shapeOptions), [options, shapeOptions]);
  return (
    <div className="field shapes-field">
      <Button icon="pen" onClick={() => setFrom(pictureOf())}>Draw on the picture</Button>
      <p className="hint">{shapes.length === 0 ? "Nothing is drawn yet." : shapeOptions.map((option) => inWords(option, shapes)).join(" ")}</p>
      {typeof from === "string" && <Notice tone="warn">{from}</Notice>}
      {from !== null && typeof from !== "string" && (
        <Suspense>
          <ShapeEditor from={from} options={shapeOptions} shapes={shapes} onClose={() => setFrom(null)}
            onDone={(drawn) => onChange(withShapes(options, shapeOptions, drawn))} />
        </Suspense>
      )}
    </div>
  );
}

function inWords({ name, noun }: ShapeOption, shapes: readonly Shape[]): string {
  const own = shapes.filter(({ option }) => option.name === name);
  const names = own.flatMap((shape) => shape.name ?? []);
  return own.length === 0 ? "" : `${count(own.length, noun)}${names.length > 0 ? `: ${names.join(", ")}` : ""}.`;
}
