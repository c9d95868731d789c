import { PUSHED } from "../api/sources";
import { browserCamera } from "../camera/BrowserCamera";
import type { PictureSource } from "../editor/picture";
import { DEMO, type Draft } from "./draft";

/** Where the first picture of a draft's source is; a sentence if there is none yet. Read it when it is wanted: a camera comes on. */
export function draftPicture({ kind, path, url, camera, files }: Draft): PictureSource | string {
  if (kind === "upload") return files[0] ? { file: files[0] } : "Choose a file first.";
  if (kind === "camera" && camera === PUSHED) {
    const { stream } = browserCamera.get();
    return stream ? { stream } : "Turn this browser’s camera on first.";
  }
  const source = { demo: DEMO, media: path, url: url.trim(), camera }[kind];
  return source === "" ? "Choose a source first." : { source };
}
