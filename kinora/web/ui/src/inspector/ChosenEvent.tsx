import { clipUrl } from "../api/calls";
import type { ClipState, EventPayload } from "../api/generated";
import { usePlayer } from "../player/PlayerContext";
import { IconButton } from "../ui/Button";
import { bytes, milliseconds } from "../ui/format";
import { Icon } from "../ui/Icon";

interface ChosenEventProps {
  event: EventPayload;
  /** Undefined if none is kept, or none is there yet. */
  clip: ClipState | undefined;
  onClose: () => void;
}

/** All that is known of an event, and its clip. */
export function ChosenEvent({ event, clip, onClose }: ChosenEventProps) {
  const player = usePlayer();
  const { number, kind, message, plugin, index, data } = event;
  return (
    <div className="chosen-event">
      <header>
        <b>{kind}</b> <span className="hint">{plugin}, number {number}</span>
        <IconButton icon="close" label="Close this event" onClick={onClose} />
      </header>
      {message !== "" && <p>{message}</p>}
      {index !== null && <button type="button" className="link" onClick={() => player.seekIndex(index)}>frame {index}</button>}
      {clip && <Clip jobId={player.jobId} clip={clip} />}
      {data !== null && <pre>{JSON.stringify(data, null, 1)}</pre>}
    </div>
  );
}

function Clip({ jobId, clip: { event, kind, duration_ms: length, bytes: size } }: { jobId: string; clip: ClipState }) {
  const url = clipUrl(jobId, event);
  return (
    <>
      <video src={url} controls muted playsInline preload="metadata" aria-label={`Clip of ${kind}, number ${event}`} />
      <a className="button quiet" href={url} download={`${jobId.slice(0, 8)}-${event}.mp4`}>
        <Icon name="download" /> Clip <span className="hint">{milliseconds(length)}, {bytes(size)}</span>
      </a>
    </>
  );
}
