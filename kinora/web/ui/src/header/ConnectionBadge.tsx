import type { ConnectionInfo } from "../realtime/RealtimeClient";
import { useRealtime, useRealtimeContext } from "../realtime/RealtimeContext";

/** Whether the page is up to date, and why not. */
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
  if (closed === "off") return { tone: "warn", text: "Polling: realtime is off", title: "The server runs without realtime; the page asks it every second." };
  if (closed === "replaced") return { tone: "warn", text: "Polling: connected elsewhere", title: "Another connection has taken this one's place." };
  if (givenUp) return { tone: "warn", text: "Polling: no realtime connection", title: "The page asks the server every second, and goes on trying to connect." };
  switch (state) {
    case "CONNECTED":
      return { tone: "good", text: "Live", title: "Everything comes as it happens." };
    case "DISCONNECTED":
    case "RECONNECTING":
      return { tone: "warn", text: "Reconnecting…", title: "The connection was lost; what is missed meanwhile comes afterwards." };
    case "CLOSED":
      return { tone: "bad", text: "Closed", title: "The connection is closed." };
    case "IDLE":
    case "CONNECTING":
      return { tone: "neutral", text: "Connecting…", title: "" };
  }
}
