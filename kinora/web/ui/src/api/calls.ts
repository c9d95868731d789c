/** The calls of the API as functions. All throw ApiError. */
import type {
  AgentList,
  CameraList,
  CancelAnswer,
  ClipList,
  ClipState,
  DeviceList,
  EventList,
  ExtendedJobResponse,
  FramePage,
  HealthDetails,
  JobList,
  JobRequest,
  JobResponse,
  Liveness,
  MediaList,
  PluginDetail,
  PluginList,
  PluginSummary,
} from "./generated";
import { at } from "./base";
import { call, getJson, postJson } from "./http";

const job = (id: string) => at(`/v1/jobs/${encodeURIComponent(id)}`);

export const frameUrl = (id: string, index: number) => `${job(id)}/frames/${index}.jpg`;

/** The first picture of a source that the server reads. */
export const sourcePictureUrl = (source: string) => at(`/v1/sources/picture.jpg?${new URLSearchParams({ source })}`);

export interface Submitted {
  jobId: string;
  /** The id to connect with so as to miss nothing of the job; null without realtime. */
  lastEventId: string | null;
}

export async function submitJob(request: JobRequest): Promise<Submitted> {
  const response = await postJson(at("/v1/jobs"), request);
  const answer = (await response.json()) as JobResponse;
  return { jobId: answer.job_id, lastEventId: response.headers.get("Last-Event-ID") };
}

/** The job without its frames. */
export const getExtended = (id: string, signal?: AbortSignal) =>
  getJson<ExtendedJobResponse>(`${job(id)}/extended?limit=0`, signal);

export const getFrames = (id: string, after: number, limit: number, signal?: AbortSignal) =>
  getJson<FramePage>(`${job(id)}/frames?after=${after}&limit=${limit}`, signal);

export const eventsUrl = (id: string, after: number, limit: number) => `${job(id)}/events?after=${after}&limit=${limit}`;

/** A page of the events with higher numbers than `after`. */
export const getEvents = (id: string, after: number, limit: number, signal?: AbortSignal) => getJson<EventList>(eventsUrl(id, after, limit), signal);

/** The clips of a job's events that there are now. */
export const getClips = async (id: string, signal?: AbortSignal): Promise<ClipState[]> =>
  (await getJson<ClipList>(`${job(id)}/clips`, signal)).clips;

export const clipUrl = (id: string, event: number) => `${job(id)}/clips/${event}`;

/** A page of the jobs of this status with all words of `search`; empty ones mean any. */
export function getJobs(query: { status: string; search: string }, cursor: string | null, limit: number, signal?: AbortSignal): Promise<JobList> {
  const given = new URLSearchParams({ limit: String(limit) });
  if (query.status !== "") given.set("status", query.status);
  if (query.search.trim() !== "") given.set("q", query.search.trim());
  if (cursor !== null) given.set("cursor", cursor);
  return getJson<JobList>(at(`/v1/jobs?${given}`), signal);
}

export async function cancelJob(id: string): Promise<CancelAnswer> {
  return (await (await postJson(`${job(id)}/cancel`)).json()) as CancelAnswer;
}

export async function pauseJob(id: string): Promise<void> {
  await postJson(`${job(id)}/pause`);
}

export async function resumeJob(id: string): Promise<void> {
  await postJson(`${job(id)}/resume`);
}

/** Delete a job; `leaving` lets the call outlive the page. */
export async function deleteJob(id: string, leaving = false): Promise<void> {
  await call(job(id), { method: "DELETE", keepalive: leaving });
}

/** What the server uses, and what it will delete by itself; null if it does not tell. */
export async function getRoom(signal?: AbortSignal): Promise<HealthDetails | null> {
  return (await getJson<Liveness>(at("/v1/health?details=1"), signal)).details ?? null;
}

export const getDevices = (signal?: AbortSignal) => getJson<DeviceList>(at("/v1/devices"), signal);

export const getCameras = (signal?: AbortSignal) => getJson<CameraList>(at("/v1/cameras"), signal);

export const getAgents = (signal?: AbortSignal) => getJson<AgentList>(at("/v1/agents"), signal);

export const getMedia = (signal?: AbortSignal) => getJson<MediaList>(at("/v1/media"), signal);

export async function getPlugins(signal?: AbortSignal): Promise<PluginSummary[]> {
  return (await getJson<PluginList>(at("/v1/plugins"), signal)).plugins;
}

export const getPlugin = (name: string, signal?: AbortSignal) =>
  getJson<PluginDetail>(at(`/v1/plugins/${encodeURIComponent(name)}`), signal);

export async function reloadPlugins(): Promise<PluginSummary[]> {
  return ((await (await postJson(at("/v1/plugins/reload"))).json()) as PluginList).plugins;
}

/** What a plugin printed in a job. */
export async function getLog(id: string, plugin: string): Promise<string> {
  return (await call(`${job(id)}/log?plugin=${encodeURIComponent(plugin)}`)).text();
}

export type ExportFormat = "json" | "ndjson" | "csv" | "parquet" | "coco" | "yolo" | "mot" | "cvat";

/** All results of a job as a file that is named after its source. */
export const exportUrl = (id: string, format: ExportFormat) => `${job(id)}/export?format=${format}`;

/** The frames of a job as a video with the detections drawn in. */
export const videoUrl = (id: string) => `${job(id)}/annotated.mp4`;

/** Have the server make a job's video, which takes a while; it keeps it then. */
export async function makeVideo(id: string, signal: AbortSignal): Promise<void> {
  await call(videoUrl(id), { headers: { Range: "bytes=0-0" }, signal });
}

/** How much of a job's video is made, in per cent; null if it is not being made now. */
export async function getVideoProgress(id: string, signal: AbortSignal): Promise<number | null> {
  const share = (await call(videoUrl(id), { method: "HEAD", signal })).headers.get("Kinora-Progress");
  return share === null ? null : Number(share);
}

/** All frames of a job after `after`, as a stream with a line of JSON for each. */
export const streamFrames = (id: string, after: number, signal: AbortSignal) =>
  call(`${job(id)}/frames?after=${after}`, { headers: { Accept: "application/x-ndjson" }, signal });
