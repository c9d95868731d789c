import { colorOf } from "../draw/colors";
import { detectionInWords } from "../draw/detections";
import { useViewOptions } from "../draw/viewOptions";
import type { Touched } from "./PictureTouch";

/** What the pointer is on, beside it. The list of the frame's detections says the same to the keyboard. */
export function PictureTip({ touched: { x, y, detection } }: { touched: Touched }) {
  const { colorBy } = useViewOptions();
  return (
    <div className="picture-tip" style={{ insetInlineStart: x, insetBlockStart: y }} aria-hidden="true">
      <i className="dot" style={{ background: colorOf(detection, colorBy) }} /> <b>{detection.kind}</b>
      <dl>
        {detectionInWords(detection).map(([term, value]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
