import { useEffect } from "react";
import { getRoom } from "../api/calls";
import { useLoaded } from "../ui/useLoaded";
import { roomLine, roomSentences } from "./roomWords";

/** The figures are asked for again after so long. */
const REFRESH_MS = 30_000;

/** What the server uses and will delete by itself: a quiet line below the jobs, which opens. Without an answer there is none. */
export function Room() {
  const { value: room, reload } = useLoaded(getRoom);
  useEffect(() => {
    const timer = setInterval(reload, REFRESH_MS);
    return () => clearInterval(timer);
  }, [reload]);
  if (room === null) return null;
  return (
    <details className="room">
      <summary>{roomLine(room)}</summary>
      {roomSentences(room).map((sentence) => <p key={sentence} className="hint">{sentence}</p>)}
    </details>
  );
}
