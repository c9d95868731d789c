import { useState, useSyncExternalStore, type SubmitEvent } from "react";
import { parsePlace } from "../player/parsePlace";
import { usePlayer } from "../player/PlayerContext";
import { clock } from "../ui/format";

/** The time, or the file in a folder, and the number of the frame on the screen, which may lag behind the scrubber; pressed, a field to go to another. */
export function Place() {
  const player = usePlayer();
  const frame = useSyncExternalStore(player.shown.subscribe, player.shown.get);
  const [asks, setAsks] = useState(false);
  const close = () => {
    setAsks(false);
    requestAnimationFrame(() => document.getElementById("jump")?.focus());
  };
  if (asks) return <JumpForm onDone={close} />;
  return (
    <button type="button" id="jump" className="place" title="Go to a frame or time (G)" onClick={() => setAsks(true)}>
      {frame === null ? "–" : `${frame.file ?? clock(frame.timestamp_ms)} · frame ${frame.index}`}
    </button>
  );
}

function JumpForm({ onDone }: { onDone: () => void }) {
  const player = usePlayer();
  const [fault, setFault] = useState(false);
  const go = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = new FormData(event.currentTarget).get("place");
    const place = parsePlace(typeof text === "string" ? text : "");
    setFault(place === null);
    if (place === null) return;
    player.goTo(place);
    onDone();
  };
  return (
    <form className="place" onSubmit={go}>
      {/* The field takes the place of the button that was pressed. */}
      {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
      <input name="place" autoFocus aria-label="Go to a frame or time" aria-invalid={fault} placeholder="120 or 1:23.4" autoComplete="off"
        title={fault ? "A frame's number such as 120, or a time such as 1:23.4 or 83 s" : undefined}
        onKeyDown={(event) => event.key === "Escape" && onDone()} />
    </form>
  );
}
