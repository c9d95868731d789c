import { useEffect, useState, type ReactNode } from "react";
import { JobPoller } from "./JobPoller";
import type { RealtimeMessage } from "./messages";
import { RealtimeClient } from "./RealtimeClient";
import { RealtimeContext, type Realtime } from "./RealtimeContext";
import { RealtimeStore } from "./RealtimeStore";
import { uuid } from "./uuid";

const PATH = "/v1/realtime";

/** Gives everything below it the realtime side, connected for as long as it is mounted. */
export function RealtimeProvider({ children }: { children: ReactNode }) {
  const [{ store, client, poller, realtime }] = useState(compose);

  useEffect(() => {
    poller.start();
    client.connect();
    const retry = () => client.retryNow();
    const goodbye = () => client.close();
    window.addEventListener("online", retry);
    window.addEventListener("pagehide", goodbye);
    const back = ({ persisted }: PageTransitionEvent) => persisted && client.connect();
    window.addEventListener("pageshow", back);
    return () => {
      window.removeEventListener("online", retry);
      window.removeEventListener("pagehide", goodbye);
      window.removeEventListener("pageshow", back);
      client.close();
      poller.stop();
    };
  }, [client, poller, store]);

  return <RealtimeContext value={realtime}>{children}</RealtimeContext>;
}

function compose() {
  const store = new RealtimeStore();
  const poller = new JobPoller(store);
  const onMessage = (message: RealtimeMessage) => {
    store.dispatch({ type: "message", message });
    if (changesJob(message)) poller.poke();
  };
  const client = new RealtimeClient({
    url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${PATH}`,
    sessionId: uuid(),
    onMessage,
    onState: (info) => {
      store.dispatch({ type: "connection", info });
      if (info.state === "CONNECTED" || info.givenUp || info.closed === "off") poller.poke();
    },
    isOff,
  });
  const realtime: Realtime = {
    store,
    get state() {
      return store.latest;
    },
    dispatch: (action) => {
      store.dispatch(action);
      if (action.type === "watch") poller.poke();
    },
    subscribe: store.subscribe,
    choose: (filters) => client.subscribe(filters),
    refresh: poller.poke,
    reconnect: () => {
      client.retryNow();
      client.connect();
    },
  };
  return { store, client, poller, realtime };

  function changesJob({ type, payload }: RealtimeMessage): boolean {
    if (type === "gap") return true;
    return type === "complete" && payload.job_id === store.latest.jobId;
  }
}

/** The server says 404 where it runs without realtime. */
async function isOff(): Promise<boolean> {
  try {
    return (await fetch(PATH, { method: "HEAD" })).status === 404;
  } catch {
    return false;
  }
}
