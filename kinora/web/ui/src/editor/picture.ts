/** The picture to draw on: the first one of a source, in its own size. */
import { getJobs, sourcePictureUrl } from "../api/calls";
import { ApiError, call } from "../api/http";
import { nextPicture } from "../realtime/nextPicture";

/** A source that the server reads, a file that is here, or what this browser's camera sees now. */
export type PictureSource = { source: string } | { file: File } | { stream: MediaStream };

/** A job watches the camera, which one reader at a time may have. */
const TAKEN = 409;
/** The most jobs among which the one that watches the camera is looked for. */
const MAX_JOBS = 50;

/** Load the picture. The caller closes it.
 *
 * @throws Error if there is none; the message says what to do.
 */
export async function loadPicture(from: PictureSource, signal: AbortSignal): Promise<ImageBitmap> {
  if ("source" in from) return createImageBitmap(await pictureOf(from.source, signal));
  if ("stream" in from) return seenIn((video) => (video.srcObject = from.stream), signal);
  const { file } = from;
  try {
    return await (file.type.startsWith("video/") ? firstOf(file, signal) : createImageBitmap(file));
  } catch {
    throw new Error(`This browser cannot show ${file.name}. Put it into the media folder to draw on it.`);
  }
}

/** The first picture of a source; of a camera that a job watches, the job's next one. */
async function pictureOf(source: string, signal: AbortSignal): Promise<Blob> {
  try {
    return await (await call(sourcePictureUrl(source), { signal })).blob();
  } catch (fault) {
    if (!(fault instanceof ApiError) || fault.status !== TAKEN) throw fault;
    const { jobs } = await getJobs({ status: "running", search: source }, null, MAX_JOBS, signal);
    const watching = jobs.find((job) => job.source === source);
    if (!watching) throw fault;
    return nextPicture(watching.job_id, signal);
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
      signal.addEventListener("abort", () => failed(new Error("It is no longer wanted.")));
      // A browser has a picture to give once it has shown one, and to show one the video has to play.
      video.requestVideoFrameCallback(() => done());
      give(video);
      video.play().catch(failed);
    });
    return await createImageBitmap(video);
  } finally {
    video.removeAttribute("src");
    video.srcObject = null;
  }
}
