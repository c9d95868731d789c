/** The picture to draw on: the first one of a source, in its own size. */
import { sourcePictureUrl } from "../api/calls";
import { call } from "../api/http";

/** A source that the server reads, a file that is here, or what this browser's camera sees now. */
export type PictureSource = { source: string } | { file: File } | { stream: MediaStream };

/** Load the picture. The caller closes it.
 *
 * @throws Error if there is none; the message says what to do.
 */
export async function loadPicture(from: PictureSource, signal: AbortSignal): Promise<ImageBitmap> {
  if ("source" in from) return createImageBitmap(await (await call(sourcePictureUrl(from.source), { signal })).blob());
  if ("stream" in from) return seenIn((video) => (video.srcObject = from.stream), signal);
  const { file } = from;
  try {
    return await (file.type.startsWith("video/") ? firstOf(file, signal) : createImageBitmap(file));
  } catch {
    throw new Error(`This browser cannot show ${file.name}. Put it into the media folder to draw on it.`);
  }
}

async function firstOf(file: File, signal: AbortSignal): Promise<ImageBitmap> {
  const url = URL.createObjectURL(file);
  try {
    return await seenIn((video) => (video.src = url), signal);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The first picture of what `give` has a video show. */
async function seenIn(give: (video: HTMLVideoElement) => unknown, signal: AbortSignal): Promise<ImageBitmap> {
  const video = document.createElement("video");
  try {
    video.muted = true;
    await new Promise<void>((done, failed) => {
      video.onloadeddata = () => done();
      video.onerror = () => failed(new Error("It cannot be read."));
      signal.addEventListener("abort", () => failed(new Error("It is no longer wanted.")));
      give(video);
    });
    return await createImageBitmap(video);
  } finally {
    video.removeAttribute("src");
    video.srcObject = null;
  }
}
