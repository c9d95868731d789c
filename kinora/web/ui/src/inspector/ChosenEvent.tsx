import { useEffect, useRef, useState } from "react";
import { clipUrl } from "../api/calls";
import type { ClipState, EventPayload, Json } from "../api/generated";
import { isObject } from "../draw/detections";
import { usePlayer } from "../player/PlayerContext";
import { IconButton } from "../ui/Button";
import { bytes, clock, duration } from "../ui/format";
import { Icon } from "../ui/Icon";
import { Notice } from "../ui/Notice";
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
      {clip && <Clip key={clip.bytes} jobId={player.jobId} clip={clip} />}
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

/** The codecs whose FFmpeg names are not those that people know. */
const CODECS: Readonly<Record<string, string>> = { hevc: "H.265", mjpeg: "JPEG", mpeg2video: "MPEG-2", mpeg4: "MPEG-4 Part 2" };

/** The clip, which begins before its event, and a button that leads to the event in it; or why it cannot be played. */
function Clip({ jobId, clip }: { jobId: string; clip: ClipState }) {
  const { event, kind, duration_ms: length, bytes: size } = clip;
  const video = useRef<HTMLVideoElement>(null);
  const [failed, setFailed] = useState(false);
  const url = clipUrl(jobId, event);
  const at = clip.timestamp_ms - clip.start_ms;
  const plays = !clip.to_encode && !failed;
  const seek = () => {
    if (video.current) video.current.currentTime = at / 1000;
  };
  return (
    <>
      {plays
        ? <video ref={video} src={url} controls muted playsInline preload="metadata" aria-label={`Clip of ${kind}, number ${event}`} onError={() => setFailed(true)} />
        : <Notice tone={clip.to_encode ? "info" : "warn"}>{whyNot(clip)}</Notice>}
      <footer>
        {plays && <button type="button" className="link" onClick={seek}>To the event in the clip, at {clock(at)}</button>}
        <a className="button quiet" href={url} download={`${jobId.slice(0, 8)}-${event}.mp4`}>
          <Icon name="download" /> Clip <span className="hint">{duration(length / 1000)}, {bytes(size)}</span>
        </a>
      </footer>
    </>
  );
}

function whyNot({ codec, to_encode: waits }: ClipState): string {
  const name = codec === null ? "such" : (CODECS[codec] ?? codec.toUpperCase());
  if (waits) return `Browsers do not play ${name} video. This clip is being encoded as H.264, and plays here then.`;
  return `This clip does not play: this browser may not know ${name} video. Download it, and open it in a player such as VLC.`;
}
