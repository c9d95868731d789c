import { useRealtime } from "../realtime/RealtimeContext";
import { EventList } from "./EventList";
import { PipelineChart } from "./PipelineChart";
import { TimedCard } from "./PluginCard";
import { useTimes } from "./useTimes";
import { WarningList } from "./WarningList";

/** The plugins of the watched job: their times, health, metadata, events and warnings. */
export function PluginInspector() {
  const names = useRealtime((state) => Object.keys(state.plugins));
  const times = useTimes();
  return (
    <section id="plugin-inspector" aria-label="Plugin inspector">
      <EventList />
      <WarningList />
      <h2>Plugins</h2>
      {names.length === 0 && <p className="hint">The plugins appear here when the job begins.</p>}
      <PipelineChart times={times} />
      {names.map((name) => (
        <TimedCard key={name} name={name} times={times} />
      ))}
    </section>
  );
}
