import { useEffect, useRef, useState } from "react";
import { frameUrl, getFrames } from "../api/calls";
import type { FrameData, JobSummary, PluginMetadata } from "../api/generated";
import { visibleDetections } from "../draw/detections";
import { drawOverlay } from "../draw/drawOverlay";
import { skeletonsOf } from "../draw/pose";
import { allClasses, allShapes, allSpots } from "../draw/shapes";
import { sharpCanvas } from "../draw/sharpCanvas";
import { viewOptions } from "../draw/viewOptions";
import { jobLink } from "../ui/useRoute";
import { KindPicture } from "./KindPicture";

interface PluginPictureProps {
  metadata: PluginMetadata;
  /** The plugin's kinds of result. */
  kinds: readonly string[];
  /** The newest job in which the plugin found something; null if there is none. */
  job: JobSummary | null;
}

/** What the plugin drew on a frame of the newest job with it; a drawing of its kind while there is no such frame. */
export function PluginPicture({ metadata, kinds, job }: PluginPictureProps) {
  const { name } = metadata;
  const frame = useOwnFrame(name, job);
  const [missing, setMissing] = useState(false);
  if (!job || !frame || missing) return <div className="plugin-picture"><KindPicture kinds={kinds} /></div>;
  return (
    <a className="plugin-picture" href={jobLink(job.job_id, frame.index)} title={`Frame ${frame.index} of ${job.source}`}>
      <img src={frameUrl(job.job_id, frame.index)} alt={`What ${name} found in ${job.source}`} loading="lazy" decoding="async" onError={() => setMissing(true)} />
      <Drawn frame={frame} metadata={metadata} />
    </a>
  );
}

/** The frames from the job's fullest one on among which one is chosen. */
const LOOKED_AT = 30;

/** A frame of the job with only this plugin's result: of some, the one on which it found most; null if that draws nothing. */
function useOwnFrame(name: string, job: JobSummary | null): FrameData | null {
  const [frame, setFrame] = useState<FrameData | null>(null);
  const [id, index] = [job?.job_id, job?.picture ?? null];
  useEffect(() => {
    if (id === undefined || index === null) return;
    const abort = new AbortController();
    // Frames that cannot be had are no fault worth a word here: the drawing stays.
    getFrames(id, index - 1, LOOKED_AT, abort.signal).then(({ frames }) => setFrame(fullest(frames, name)), () => undefined);
    return () => abort.abort();
  }, [name, id, index]);
  return frame;
}

function fullest(frames: readonly FrameData[], plugin: string): FrameData | null {
  const own = frames.map((frame) => ({ ...frame, results: plugin in frame.results ? { [plugin]: frame.results[plugin] ?? null } : {} }));
  const best = own.toSorted((a, b) => drawnOn(b) - drawnOn(a))[0];
  return best && drawnOn(best) > 0 ? best : null;
}

const drawnOn = (frame: FrameData) => visibleDetections(frame).length + allShapes(frame).length + allSpots(frame).length + allClasses(frame).length;

const NOTHING_HIDDEN = { boxes: true, labels: true, pitch: true, hidden: new Set<string>(), confidence: 0 } as const;

function Drawn({ frame, metadata }: { frame: FrameData; metadata: PluginMetadata }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const draw = () => {
      const context = sharpCanvas(element);
      if (!context) return;
      const scale = Math.min(element.clientWidth / frame.width, element.clientHeight / frame.height);
      context.translate((element.clientWidth - frame.width * scale) / 2, (element.clientHeight - frame.height * scale) / 2);
      drawOverlay(context, frame, scale, { ...viewOptions.get(), ...NOTHING_HIDDEN }, { skeletons: skeletonsOf({ [metadata.name]: metadata }) });
    };
    const resized = new ResizeObserver(draw);
    resized.observe(element);
    return () => resized.disconnect();
  }, [frame, metadata]);
  return <canvas ref={canvas} aria-hidden="true" />;
}
