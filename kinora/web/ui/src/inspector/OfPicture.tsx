import type { FrameData } from "../api/generated";
import { colorOf } from "../draw/colors";
import { isObject, type Hiding } from "../draw/detections";
import { allClasses, type PictureClass } from "../draw/shapes";

/** The most classes of a plugin in the list; all of them are in the JSON. */
const MAX_CLASSES = 20;

interface OfPictureProps {
  frame: FrameData;
  plugin: string;
  /** What the user hides. */
  options: Hiding;
}

/** What a plugin says of the whole picture: its classes and its text. */
export function OfPicture({ frame, plugin, options }: OfPictureProps) {
  const [classes, text] = [ownClasses(frame, plugin, options), textOf(frame, plugin)];
  return (
    <>
      {classes.length > 0 && (
        <ul className="of-picture" aria-label={`Classes of the picture by ${plugin}`}>
          {classes.slice(0, MAX_CLASSES).map((one) => <ClassLine key={one.kind} {...one} />)}
        </ul>
      )}
      {text !== "" && <p className="of-picture"><q>{text}</q></p>}
    </>
  );
}

/** True if the plugin says anything that `OfPicture` would show. */
export function saysOfPicture(frame: FrameData, plugin: string, options: Hiding): boolean {
  return ownClasses(frame, plugin, options).length > 0 || textOf(frame, plugin) !== "";
}

function ClassLine({ kind, confidence }: PictureClass) {
  return (
    <li>
      <i className="dot" style={{ background: colorOf({ kind, trackId: null }) }} />
      <b>{kind}</b>
      {confidence !== null && <span className="share">{Math.round(100 * confidence)}%</span>}
    </li>
  );
}

function ownClasses(frame: FrameData, plugin: string, options: Hiding): PictureClass[] {
  return allClasses(frame, options).filter((one) => one.plugin === plugin);
}

function textOf({ results }: FrameData, plugin: string): string {
  const result = results[plugin];
  return isObject(result) && typeof result.text === "string" ? result.text : "";
}
