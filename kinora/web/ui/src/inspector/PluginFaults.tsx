import { useEffect, useRef, useState } from "react";
import type { StageError, StageState } from "../api/generated";
import { usePlayer } from "../player/PlayerContext";
import { indexOfFrameId } from "../realtime/warnings";

/** The kinds of error that a plugin had in the job, each with the traceback of its first one. */
export function PluginFaults({ plugin, stage }: { plugin: string; stage: StageState | null }) {
  const errors = stage === null ? [] : stage.errors.length > 0 ? stage.errors : stage.last_error ? [stage.last_error] : [];
  return errors.map((error) => <Fault key={error.at + error.message} plugin={plugin} error={error} />);
}

function Fault({ plugin, error }: { plugin: string; error: StageError }) {
  const [open, setOpen] = useState(false);
  return (
    <div className="plugin-fault">
      <p>
        <strong>{error.message}</strong> <FrameLink frameId={error.frame_id} />
      </p>
      {error.traceback !== null && (
        <details onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>Traceback</summary>
          {open && <EndOfText label={`Traceback of ${plugin}: ${error.message}`} text={error.traceback} />}
        </details>
      )}
    </div>
  );
}

/** A link to the frame with this id; nothing if there is none, or where no job is watched. */
function FrameLink({ frameId }: { frameId: string | null }) {
  const player = usePlayer();
  const index = indexOfFrameId(frameId);
  return index === null ? null : <button type="button" className="link" onClick={() => player.seekIndex(index)}>frame {index}</button>;
}

/** A long text, shown from its end, where a traceback has the author's own line. */
export function EndOfText({ label, text }: { label: string; text: string }) {
  const box = useRef<HTMLPreElement>(null);
  // In braces, as some browsers return a promise, which React must not get.
  useEffect(() => {
    box.current?.scrollTo(0, box.current.scrollHeight);
  }, [text]);
  // What scrolls must be reachable by keyboard.
  // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
  return <pre ref={box} tabIndex={0} role="region" aria-label={label}>{text}</pre>;
}
