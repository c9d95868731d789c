import { useEffect, useRef } from "react";
import { clipUrl } from "../api/calls";
import type { ClipState, EventPayload, Json } from "../api/generated";
import { isObject } from "../draw/detections";
import { usePlayer } from "../player/PlayerContext";
import { IconButton } from "../ui/Button";
import { bytes, clock, duration } from "../ui/format";
import { Icon } from "../ui/Icon";
import { isFlat, valueInWords } from "./resultShape";

interface ChosenEventProps {
  event: EventPayload;
  /** Undefined if none is kept, or none is there yet. */
  clip: ClipState | undefined;
  onClose: () => void;
}

/** All that is known of an event, and its clip, scrolled into view. */
export function ChosenEvent({ event, clip, onClose }: ChosenEventProps) {
  const player = usePlayer();
  const { number, kind, message, plugin, index, data } = event;
  const box = useRef<HTMLDivElement>(null);
  // In braces, as some browsers return a promise, which React must not get.
  useEffect(() => {
    box.current?.scrollIntoView({ block: "nearest" });
  }, []);
  return (
    <div className="chosen-event" ref={box}>
      <header>
        <b>{kind}</b> <span className="hint">{plugin}, number {number}</span>
        <IconButton icon="close" label="Close this event" onClick={onClose} />
      </header>
      {message !== "" && <p>{message}</p>}
      {index !== null && <button type="button" className="link" onClick={() => player.seekIndex(index)}>To frame {index}</button>}
      {clip && <Clip jobId={player.jobId} clip={clip} />}
      {data !== null && <Data value={data} />}
    </div>
  );
}

/** What the plugin says besides: its parts by name, or JSON if they have parts of their own. */
function Data({ value }: { value: Json }) {
  if (!isObject(value) || !isFlat(value)) return <pre>{JSON.stringify(value, null, 1)}</pre>;
  return (
    <dl>
      {Object.entries(value).map(([name, part]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{valueInWords(part)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The clip, which begins before its event, and a button that leads to the event in it. */
function Clip({ jobId, clip }: { jobId: string; clip: ClipState }) {
  const { event, kind, duration_ms: length, bytes: size } = clip;
  const video = useRef<HTMLVideoElement>(null);
  const url = clipUrl(jobId, event);
  const at = clip.timestamp_ms - clip.start_ms;
  const seek = () => {
    if (video.current) video.current.currentTime = at / 1000;
  };
  return (
    <>
      <video ref={video} src={url} controls muted playsInline preload="metadata" aria-label={`Clip of ${kind}, number ${event}`} />
      <footer>
        <button type="button" className="link" onClick={seek}>To the event in the clip, at {clock(at)}</button>
        <a className="button quiet" href={url} download={`${jobId.slice(0, 8)}-${event}.mp4`}>
          <Icon name="download" /> Clip <span className="hint">{duration(length / 1000)}, {bytes(size)}</span>
        </a>
      </footer>
    </>
  );
}
