import { useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { Button } from "../ui/Button";
import { count } from "../ui/format";
import { Notice } from "../ui/Notice";
import type { PictureSource } from "./picture";
import type { Shape, ShapeOption } from "./shapeOptions";
import { ShapeList } from "./ShapeList";
import { abandon, begin, canFinish, finish, isFull, mayGrow, nameFault, sketchOf, takeBack, type Sketch } from "./Sketch";
import { Surface } from "./Surface";
import { useEscape, useFocus } from "./useDialog";
import { usePicture } from "./usePicture";

interface ShapeEditorProps {
  from: PictureSource;
  options: readonly ShapeOption[];
  shapes: readonly Shape[];
  onDone: (shapes: readonly Shape[]) => void;
  onClose: () => void;
}

/** A dialog to draw zones and lines on a picture. Cancel leaves all as it was, and asks before it discards what was drawn. So does Escape, but first it gives up the shape that is being drawn. */
export function ShapeEditor({ from, options, shapes, onDone, onClose }: ShapeEditorProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { picture, error } = usePicture(from);
  useEffect(() => dialog.current?.showModal(), []);
  const close = () => dialog.current?.close();
  return createPortal(
    <dialog ref={dialog} className="shape-editor" aria-label="Draw on the picture" onClose={onClose}>
      {picture ? (
        <Drawing picture={picture} options={options} shapes={shapes} onCancel={close} onDone={(drawn) => {
          onDone(drawn);
          close();
        }} />
      ) : (
        <>
          {error === null ? <p role="status">The picture is being loaded…</p> : <Notice tone="bad">{error}</Notice>}
          <footer><Button onClick={close}>Close</Button></footer>
        </>
      )}
    </dialog>,
    document.body,
  );
}

interface DrawingProps {
  picture: ImageBitmap;
  options: readonly ShapeOption[];
  shapes: readonly Shape[];
  onDone: (shapes: readonly Shape[]) => void;
  onCancel: () => void;
}

function Drawing({ picture, options, shapes, onDone, onCancel }: DrawingProps) {
  const [sketch, setSketch] = useState<Sketch>(() => sketchOf(shapes, { width: picture.width, height: picture.height }));
  const [asks, setAsks] = useState(false);
  const { begun } = sketch;
  const bar = useRef<HTMLDivElement>(null);
  const isDrawn = sketch.shapes !== shapes || (begun !== null && begun.points.length > 0);
  useEscape(bar, begun ? () => setSketch(abandon(sketch)) : isDrawn ? () => setAsks(!asks) : null);
  useFocus(bar, begun !== null);
  return (
    <>
      <div className="editor-bar" ref={bar}>
        {begun === null && options.map((option) => (
          <Button key={option.name} icon="plus" disabled={isFull(sketch, option)} onClick={() => setSketch(begin(sketch, option))}>Draw a {option.noun}</Button>
        ))}
        {begun !== null && (
          <>
            <Button kind="primary" icon="check" disabled={!canFinish(sketch)} onClick={() => setSketch(finish(sketch))}>Finish the {begun.option.noun}</Button>
            <Button disabled={begun.points.length === 0} onClick={() => setSketch(takeBack(sketch))}>Take the last point back</Button>
            <Button kind="quiet" onClick={() => setSketch(abandon(sketch))}>Do not draw it</Button>
          </>
        )}
      </div>
      <p className="hint" role="status">{[...options.filter((option) => isFull(sketch, option)).map(fullInWords), hintFor(sketch)].join(" ")}</p>
      <Surface picture={picture} sketch={sketch} onChange={setSketch} />
      <ShapeList sketch={sketch} onChange={setSketch} />
      {asks ? <Question onKeep={() => setAsks(false)} onDiscard={onCancel} /> : (
        <footer>
          <Button kind="quiet" onClick={() => (isDrawn ? setAsks(true) : onCancel())}>Cancel</Button>
          <Button kind="primary" disabled={begun !== null || sketch.shapes.some((_, at) => nameFault(sketch, at) !== null)} onClick={() => onDone(sketch.shapes)}>Done</Button>
        </footer>
      )}
    </>
  );
}

/** Asks before what was drawn is lost. */
function Question({ onKeep, onDiscard }: { onKeep: () => void; onDiscard: () => void }) {
  const footer = useRef<HTMLElement>(null);
  useEffect(() => footer.current?.querySelector("button")?.focus(), []);
  return (
    <footer ref={footer}>
      <p role="alert">Discard what you have drawn?</p>
      <Button onClick={onKeep}>Keep drawing</Button>
      <Button kind="danger" icon="trash" onClick={onDiscard}>Discard</Button>
    </footer>
  );
}

const fullInWords = ({ noun, most = 0 }: ShapeOption) => `There is room for ${count(most, noun)} only: delete one to draw another.`;

function hintFor({ begun, shapes, chosen }: Sketch): string {
  if (begun && begun.option.kind !== "line" && !mayGrow(begun.option, begun.points)) return `A ${begun.option.noun} has at most ${count(begun.points.length, "point")}: finish it.`;
  if (begun?.option.kind === "line") return "Press where the line begins and where it ends, or drag. By keyboard: arrow keys move the cross, Enter sets a point, Escape gives it up.";
  if (begun) return `${count(begun.points.length, "point")} set. Press on the picture for each corner; the last one twice, or the first one again, to finish. By keyboard: arrow keys move the cross, Enter sets a point, Backspace takes one back, Escape gives all up.`;
  if (shapes.length === 0) return "Nothing is drawn yet.";
  if (chosen < 0) return "Press on a shape to change it.";
  return "Drag a point or the whole shape. By keyboard: arrow keys move a point, Insert adds one behind it, Delete removes it.";
}
