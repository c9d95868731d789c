/** The contents of the form for a new job. */
import type { ExtendedJobResponse, JobOptions, JobRequest, Json } from "../api/generated";
import type { PluginChoice } from "../api/types";
import { ASKED_NOTHING, askedBy, optionsOf, type Asked } from "./amounts";
import { fileOf } from "./sentFiles";

export type SourceKind = "demo" | "media" | "upload" | "url" | "camera";

export interface Draft extends Asked {
  kind: SourceKind;
  /** A file or a folder of images in the media folder. */
  path: string;
  url: string;
  /** The source of a camera with a name, or `push:` for this browser's own. */
  camera: string;
  /** The files to send; each makes a job. */
  files: readonly File[];
  /** The name of a file that has to be chosen again. */
  fileName: string;
  plugins: PluginChoice[];
  device: string;
  maxFrames: string;
  stride: string;
  policy: "" | "wait" | "latest";
  /** The seconds that a plugin has for a frame. */
  timeout: string;
  /** The seconds that a plugin has to get ready. */
  prepareTimeout: string;
}

export const DEMO = "demo:";
/** Stands for a text that is no number, in the turns and the processes of a plugin. */
export const NO_TURN = 0;
const FIRST_PLUGINS = ["motion", "people", "tracker", "quality", "scenes"];

export const firstDraft = (device: string): Draft => ({
  kind: "demo",
  path: "",
  url: "",
  camera: "",
  files: [],
  fileName: "",
  plugins: FIRST_PLUGINS.map((name) => ({ name, options: {} })),
  device,
  maxFrames: "",
  stride: "",
  policy: "",
  timeout: "",
  prepareTimeout: "",
  ...ASKED_NOTHING,
});

/** The request for the server; if something is missing, a sentence about it. */
export function requestOf(draft: Draft): JobRequest | string {
  const source = { demo: DEMO, media: draft.path, url: draft.url.trim(), upload: draft.files[0]?.name ?? "", camera: draft.camera }[draft.kind];
  if (source === "") {
    return { demo: "", media: "Choose a file from the media folder.", url: "Type a URL.", upload: "Choose a file.", camera: "Choose a camera." }[draft.kind];
  }
  if (draft.plugins.length === 0) return "Add at least one plugin.";
  const unclear = draft.plugins.find(({ every, replicas }) => every === NO_TURN || replicas === NO_TURN);
  if (unclear) return `Under the options of ${unclear.name}, type a whole number of 1 or more.`;
  const asked = optionsOf(draft);
  if (asked === null) return "Under Where it runs, type numbers of 0 or more, and other resources as name=1.";
  const options: JobOptions = asked;
  const [maxFrames, stride] = [wholeNumber(draft.maxFrames), wholeNumber(draft.stride)];
  const [timeout, prepareTimeout] = [seconds(draft.timeout), seconds(draft.prepareTimeout)];
  if (maxFrames === null || stride === null) return "Under Frames and time, type whole numbers of 1 or more.";
  if (timeout === null || prepareTimeout === null) return "Under Frames and time, type seconds as numbers above 0.";
  if (maxFrames !== undefined) options.max_frames = maxFrames;
  if (stride !== undefined) options.stride = stride;
  if (timeout !== undefined) options.plugin_timeout_ms = Math.round(1000 * timeout);
  if (prepareTimeout !== undefined) options.prepare_timeout_ms = Math.round(1000 * prepareTimeout);
  if (draft.policy !== "") options.policy = draft.policy;
  return { source, plugins: draft.plugins, device_requested: draft.device, options };
}

function wholeNumber(text: string): number | undefined | null {
  if (text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isInteger(value) && value >= 1 ? value : null;
}

function seconds(text: string): number | undefined | null {
  if (text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? value : null;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_PREPARE_MS = 120_000;

/** A draft to run a job again, perhaps changed. Its file is known only to the page that sent it. */
export function draftOf(job: ExtendedJobResponse): Draft {
  const { source, options } = job;
  const kind = kindOf(job);
  const file = kind === "upload" ? fileOf(job.job_id) : null;
  return {
    kind,
    path: kind === "media" ? source : "",
    url: kind === "url" ? source : "",
    camera: kind === "camera" ? source : "",
    files: file ? [file] : [],
    fileName: kind === "upload" ? source : "",
    plugins: Object.entries(job.plugins).map(([name, { options: own, every, side }]) => ({
      name,
      options: own,
      ...(every > 1 && { every }),
      ...(side && { side }),
    })),
    device: job.device_requested,
    maxFrames: typeof options.max_frames === "number" ? String(options.max_frames) : "",
    stride: typeof options.stride === "number" && options.stride !== 1 ? String(options.stride) : "",
    policy: options.policy === "wait" || options.policy === "latest" ? options.policy : "",
    timeout: secondsOf(options.plugin_timeout_ms, DEFAULT_TIMEOUT_MS),
    prepareTimeout: secondsOf(options.prepare_timeout_ms, DEFAULT_PREPARE_MS),
    ...askedBy(options),
  };
}

/** A time in milliseconds as the text of a field for seconds, which is empty for the usual one. */
function secondsOf(ms: Json | undefined, usual: number): string {
  return typeof ms === "number" && ms !== usual ? String(ms / 1000) : "";
}

function kindOf({ source, uploaded }: ExtendedJobResponse): SourceKind {
  if (uploaded) return "upload";
  if (source === DEMO) return "demo";
  if (/^(camera|webcam|push):/.test(source)) return "camera";
  return source.includes("://") ? "url" : "media";
}
