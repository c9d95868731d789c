import { useEffect, useState } from "react";
import { paintScheduler } from "../realtime/paintScheduler";
import { useRealtimeContext } from "../realtime/RealtimeContext";
import { timesOf, type Times } from "./times";

/** Figures that change more often cannot be read. */
const PAUSE_MS = 500;

/** The times of the watched job's plugins. */
export function useTimes(): Times {
  const { store } = useRealtimeContext();
  const read = () => {
    const { plugins, job } = store.getState();
    return timesOf(Object.keys(plugins), store.timings, job?.plugins ?? {});
  };
  const [times, setTimes] = useState(read);
  useEffect(() => {
    const paint = paintScheduler(() => {
      const { plugins, job } = store.getState();
      setTimes(timesOf(Object.keys(plugins), store.timings, job?.plugins ?? {}));
    }, PAUSE_MS);
    const leave = store.subscribe(paint.request);
    paint.request();
    return () => {
      leave();
      paint.cancel();
    };
  }, [store]);
  return times;
}
