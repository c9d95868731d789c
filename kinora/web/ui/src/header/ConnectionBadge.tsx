import type { ConnectionInfo } from "../realtime/RealtimeClient";
import { useRealtime, useRealtimeContext } from "../realtime/RealtimeContext";

/** The state of the realtime connection, and the reason if the page is not up to date. */
export function ConnectionBadge() {
  const { reconnect } = useRealtimeContext();
  const info = useRealtime((state) => state.connection);
  return <ConnectionNote info={info} onReconnect={reconnect} />;
}

export function ConnectionNote({ info, onReconnect }: { info: ConnectionInfo; onReconnect: () => void }) {
  const { tone, text, title } = inWords(info);
  const canRetry = info.state === "DISCONNECTED" || info.closed === "replaced";
  return (
    <div className={`connection ${tone}`} data-state={info.state} title={title}>
      <span className="dot" />
      <span role="status">{text}</span>
      {canRetry && (
        <button type="button" className="link" onClick={onReconnect}>
          Try now
        </button>
      )}
    </div>
  );
}

function inWords({ state, givenUp, closed }: ConnectionInfo): { tone: string; text: string; title: string } {
  if (closed === "off") return { tone: "warn", text: "Polling: realtime is off", title: "The server runs without realtime. The page asks for news every second." };
  if (closed === "replaced") return { tone: "warn", text: "Polling: connected elsewhere", title: "Another connection has replaced this one. The page asks for news every second." };
  if (givenUp) return { tone: "warn", text: "Polling: no realtime connection", title: "The page asks for news every second, and keeps trying to connect." };
  switch (state) {
    case "CONNECTED":
      return { tone: "good", text: "Live", title: "The page is up to date." };
    case "DISCONNECTED":
    case "RECONNECTING":
      return { tone: "warn", text: "Reconnecting…", title: "The connection was lost. Missed messages will be sent once it is back." };
    case "CLOSED":
      return { tone: "bad", text: "Closed", title: "The connection is closed." };
    case "IDLE":
    case "CONNECTING":
      return { tone: "neutral", text: "Connecting…", title: "" };
  }
}
