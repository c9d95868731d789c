import { useEffect, useState } from "react";
import type { FrameData } from "../api/generated";
import { usePlayer } from "../player/PlayerContext";
import { paintScheduler } from "../realtime/paintScheduler";

/** Words that change more often cannot be read, and the picture needs the processor. */
const PAUSE_MS = 300;

/** The frame on the screen; while it changes quickly, the newest one now and then. */
export function useShownFrame(): FrameData | null {
  const { shown } = usePlayer();
  const [frame, setFrame] = useState<FrameData | null>(shown.get);
  useEffect(() => {
    const read = paintScheduler(() => setFrame(shown.get()), PAUSE_MS);
    const leave = shown.subscribe(read.request);
    read.request();
    return () => {
      leave();
      read.cancel();
    };
  }, [shown]);
  return frame;
}
