import { useEffect, useState, type ReactNode } from "react";
import type { RealtimeMessage } from "../api/generated";
import { tellRefused } from "../api/http";
import { isEnded } from "../api/jobStates";
import { REALTIME_ADDRESS, REALTIME_PATH } from "./address";
import { FrameFeed } from "./FrameFeed";
import { JobPoller } from "./JobPoller";
import { RealtimeClient, type Filters } from "./RealtimeClient";
import { RealtimeContext, type Realtime } from "./RealtimeContext";
import { RealtimeStore } from "./RealtimeStore";
import type { RealtimeState } from "./state";
import { uuid } from "./uuid";

/** The messages about all jobs; frames and events of the watched job come on a connection of their own. */
const OF_ALL_JOBS: Filters = {
  types: ["progress", "plugin_status", "warning", "error", "complete"],
  max_fps: 15,
};

/** Provides the realtime connection and its state to its children; connected while it is mounted. */
export function RealtimeProvider({ children }: { children: ReactNode }) {
  const [{ store, client, feed, poller, realtime }] = useState(compose);

  useEffect(() => {
    poller.start();
    client.connect();
    const leave = store.subscribe(() => feed.follow(runningJob(store.latest)));
    const retry = () => client.retryNow();
    const goodbye = () => {
      client.close();
      feed.follow(null);
    };
    window.addEventListener("online", retry);
    window.addEventListener("pagehide", goodbye);
    const back = ({ persisted }: PageTransitionEvent) => persisted && client.connect();
    window.addEventListener("pageshow", back);
    return () => {
      window.removeEventListener("online", retry);
      window.removeEventListener("pagehide", goodbye);
      window.removeEventListener("pageshow", back);
      leave();
      goodbye();
      poller.stop();
    };
  }, [client, feed, poller, store]);

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
    url: REALTIME_ADDRESS,
    sessionId: uuid(),
    onMessage,
    onState: (info) => {
      store.dispatch({ type: "connection", info });
      if (info.closed === "refused") tellRefused();
      if (info.state === "CONNECTED" || info.givenUp || info.closed === "off") poller.poke();
    },
    whyNot,
  });
  client.subscribe(OF_ALL_JOBS);
  const feed = new FrameFeed(() => new RealtimeClient({
    url: REALTIME_ADDRESS,
    sessionId: uuid(),
    onMessage: (message) => (message.type === "frame" || message.type === "event") && store.dispatch({ type: "message", message }),
    onPicture: store.addPicture,
    onState: (info) => info.closed === "refused" && tellRefused(),
  }));
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
    setPace: (maxFps) => feed.setPace(maxFps),
    refresh: poller.poke,
    reconnect: () => {
      client.retryNow();
      client.connect();
    },
  };
  return { store, client, feed, poller, realtime };

  function changesJob({ type, payload }: RealtimeMessage): boolean {
    if (type === "gap") return true;
    return type === "complete" && payload.job_id === store.latest.jobId;
  }
}

/** The watched job's id while the job runs and realtime is on; otherwise null. */
function runningJob({ jobId, job, jobs, connection }: RealtimeState): string | null {
  if (jobId === null || job === null || connection.closed !== null) return null;
  return isEnded(jobs[jobId]?.status ?? job.status) ? null : jobId;
}

/** The reason why the server takes no connection: it runs without realtime, or wants a token; null if it may take one later. */
async function whyNot(): Promise<"off" | "refused" | null> {
  try {
    const { status } = await fetch(REALTIME_PATH, { method: "HEAD" });
    return status === 404 ? "off" : status === 401 ? "refused" : null;
  } catch {
    return null;
  }
}
