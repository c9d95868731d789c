import { useEffect, useState } from "react";
import type { ConnectionInfo } from "../realtime/RealtimeClient";
import { useRealtime, useRealtimeContext } from "../realtime/RealtimeContext";
import { moment } from "../ui/format";

/** The state of the realtime connection, and the reason if the page is not up to date. */
export function ConnectionBadge() {
  const { reconnect } = useRealtimeContext();
  const info = useRealtime((state) => state.connection);
  const answered = useRealtime((state) => state.answered);
  return <ConnectionNote info={info} answered={answered} onReconnect={reconnect} />;
}

interface ConnectionNoteProps {
  info: ConnectionInfo;
  /** True if the server answers other requests. */
  answered?: boolean;
  onReconnect: () => void;
}

export function ConnectionNote({ info, answered = false, onReconnect }: ConnectionNoteProps) {
  const { tone, text, title } = inWords(info, answered);
  const canRetry = info.state === "DISCONNECTED" || info.closed === "replaced";
  return (
    <div className={`connection ${tone}`} data-state={info.state} title={title}>
      <span className="dot" />
      <span role="status">{text}</span>
      {info.lostAt !== null && info.closed === null && <NextTry at={info.retryAt} />}
      {canRetry && (
        <button type="button" className="link" onClick={onReconnect}>
          Try now
        </button>
      )}
    </div>
  );
}

/** Counts down to the next attempt; not read aloud each second. */
function NextTry({ at }: { at: number | null }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const seconds = at === null ? 0 : Math.ceil((at - now) / 1000);
  return <span className="next-try" aria-hidden="true">{seconds > 0 ? `trying again in ${seconds} s` : "trying again…"}</span>;
}

const EACH_SECOND = "The page asks for news every second";

function inWords({ state, givenUp, closed, lostAt }: ConnectionInfo, answered: boolean): { tone: string; text: string; title: string } {
  if (closed === "off") return { tone: "warn", text: "Not live: realtime is off", title: `The server runs without realtime. ${EACH_SECOND}.` };
  if (closed === "replaced") return { tone: "warn", text: "Not live: connected elsewhere", title: `Another connection has replaced this one. ${EACH_SECOND}.` };
  if (givenUp && answered) return { tone: "warn", text: "Not live: only plain requests come through", title: `${EACH_SECOND}, and keeps trying to connect.` };
  switch (state) {
    case "CONNECTED":
      return { tone: "good", text: "Live", title: "The page is up to date." };
    case "DISCONNECTED":
    case "RECONNECTING":
      return {
        tone: "warn",
        text: `No connection since ${moment(new Date(lostAt ?? Date.now()).toISOString())}`,
        title: "Is the server running? What was missed is sent once the connection is back.",
      };
    case "CLOSED":
      return { tone: "bad", text: "Closed", title: "The connection is closed." };
    case "IDLE":
    case "CONNECTING":
      return { tone: "neutral", text: "Connecting…", title: "" };
  }
}
