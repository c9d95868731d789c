import type { EventPayload } from "../api/generated";
import { usePlayer } from "../player/PlayerContext";
import { IconButton } from "../ui/Button";

/** All that is known of an event. */
export function ChosenEvent({ event, onClose }: { event: EventPayload; onClose: () => void }) {
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
      {data !== null && <pre>{JSON.stringify(data, null, 1)}</pre>}
    </div>
  );
}
