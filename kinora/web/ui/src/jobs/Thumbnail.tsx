import { useState } from "react";
import { frameUrl } from "../api/calls";
import { Icon } from "../ui/Icon";

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
