import { useEffect, useState, type RefObject } from "react";
import { IconButton } from "../ui/Button";

/** A button that lets `stage` fill the screen, and back. */
export function FullscreenButton({ stage }: { stage: RefObject<HTMLElement | null> }) {
  const [full, setFull] = useState(false);
  useEffect(() => {
    const onChange = () => setFull(document.fullscreenElement !== null);
    document.addEventListener("fullscreenchange", onChange);
    return () => document.removeEventListener("fullscreenchange", onChange);
  }, []);
  const toggle = () => {
    // A browser may refuse, in an iframe for example; then nothing changes.
    (full ? document.exitFullscreen() : stage.current?.requestFullscreen())?.catch(() => undefined);
  };
  return (
    <IconButton id="toggle-fullscreen" icon="fullscreen" label={full ? "Leave fullscreen" : "Fullscreen"} onClick={toggle} />
  );
}
