import { useState } from "react";
import { frameUrl } from "../api/calls";
import type { JobSummary } from "../api/generated";
import { Icon } from "../ui/Icon";

/** The sources whose pictures are gone once they are done: a server has none to show later. */
const LIVE = /^(camera|webcam|push|rtsps?):/i;

/** The index of the frame that stands for the job; null if there is no picture to ask for. */
export function pictureOf({ source, picture, frames_done: done }: Pick<JobSummary, "source" | "picture" | "frames_done">): number | null {
  if (LIVE.test(source)) return null;
  return picture ?? (done > 0 ? 0 : null);
}

/** A small picture of the job's frame `index`; a film while there is none. */
export function Thumbnail({ jobId, index }: { jobId: string; index: number | null }) {
  // The picture that a running job began with stays, as each further one would have to be decoded.
  const [first] = useState({ index });
  const [missing, setMissing] = useState(false);
  first.index ??= index;
  return (
    <span className="thumbnail">
      {first.index === null || missing ? <Icon name="film" /> : (
        <img src={frameUrl(jobId, first.index)} alt="" loading="lazy" decoding="async" onError={() => setMissing(true)} />
      )}
    </span>
  );
}
