import { sharpCanvas } from "../draw/sharpCanvas";
import type { Column } from "../player/Columns";
import type { RowWindow } from "../player/Window";
import { INSET, placeOnAxis } from "./drawTicks";

/** Draw a column's values from its least to its largest one. Where there are more rows than pixels, each pixel has their range. */
export function drawCurve(canvas: HTMLCanvasElement, column: Column, window: RowWindow): void {
  const context = sharpCanvas(canvas);
  if (!context) return;
  const { clientWidth: width, clientHeight: height } = canvas;
  const span = Math.max(column.most - column.least, 1e-12);
  const y = (value: number) => height - 2 - ((value - column.least) / span) * (height - 4);
  context.strokeStyle = getComputedStyle(canvas).getPropertyValue("--accent-bar");
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.beginPath();
  let joined = false;
  for (const { row, least, most } of ranges(column, window, Math.max(1, width - 2 * INSET))) {
    if (Number.isNaN(least)) {
      joined = false;
      continue;
    }
    const x = placeOnAxis(row, window, width);
    if (joined) context.lineTo(x, y(least));
    else context.moveTo(x, y(least));
    if (most > least) context.lineTo(x, y(most));
    joined = true;
  }
  context.stroke();
}

/** The least and largest value in each of at most `pixels` parts of the window; NaN where there are none. */
function* ranges(column: Column, { first, last }: RowWindow, pixels: number): Generator<{ row: number; least: number; most: number }> {
  const step = Math.max(1, (last - first + 1) / pixels);
  for (let begin = first; begin <= last; begin += step) {
    let [least, most] = [Number.NaN, Number.NaN];
    const row = Math.floor(begin);
    for (let at = row; at < Math.max(row + 1, Math.floor(begin + step)); at++) {
      const value = column.at(at);
      if (Number.isNaN(value)) continue;
      if (!(least <= value)) least = value;
      if (!(most >= value)) most = value;
    }
    yield { row, least, most };
  }
}
