import { useRealtime } from "../realtime/RealtimeContext";
import { watchedStatus } from "../realtime/state";
import { Badge } from "../ui/Badge";
import { count, milliseconds } from "../ui/format";
import { FinalResult } from "./FinalResult";
import { PluginFaults } from "./PluginFaults";
import { PluginMetadata } from "./PluginMetadata";
import { PluginOutput } from "./PluginOutput";
import { framesInWords } from "./framesInWords";
import { healthInWords, stageInWords } from "./stageInWords";
import { TimingChart } from "./TimingChart";
import type { Times } from "./times";
import { useTimes } from "./useTimes";

/** A plugin's card that stands alone. */
export function PluginCard({ name }: { name: string }) {
  return <TimedCard name={name} times={useTimes()} />;
}

/** The state, timings, faults, output and result of one plugin in the watched job. */
export function TimedCard({ name, times }: { name: string; times: Times }) {
  const live = useRealtime((state) => state.plugins[name]);
  const full = useRealtime((state) => state.job?.plugins[name]);
  const total = useRealtime((state) => state.pluginTimings[name]);
  const jobId = useRealtime((state) => state.job?.job_id ?? null);
  const jobStatus = useRealtime(watchedStatus);
  const metadata = useRealtime((state) => state.metadata[name] ?? null);
  if (!live) return null;
  const health = healthInWords(live.health, live.status);
  const restarts = full?.restarts ?? 0;
  const failures = full?.failures ?? 0;
  const own = times.plugins.find(([plugin]) => plugin === name)?.[1];
  const budgetMs = metadata?.latency_budget_ms ?? null;
  return (
    <article className="plugin-card" aria-label={name}>
      <header>
        <h3>{name}</h3>
        <span className="hint">{framesInWords(live.frames, full)}</span>
        <Badge text={stageInWords(live.status, jobStatus)} />
        {health !== null && <Badge text={health} tone={live.health === "failed" ? "bad" : "warn"} />}
        {restarts > 0 && <Badge text={count(restarts, "restart")} tone="warn" />}
        {failures > 0 && <Badge text={count(failures, "failure")} tone="bad" />}
      </header>
      <PluginFaults plugin={name} stage={full ?? null} />
      <FinalResult value={full?.finalize ?? null} />
      {live.frames > 0 && (
        <div className="times">
          <TimingChart plugin={name} times={times} budgetMs={budgetMs} />
          <dl className="figures">
            <Figure term="run" value={own ? both(own.run.p50, own.run.p95) : "–"} />
            <Figure term="waits" value={own ? both(own.queue.p50, own.queue.p95) : "–"} />
            <Figure term="total" value={milliseconds(total)} />
            {budgetMs !== null && <Figure term="budget" value={milliseconds(budgetMs)} />}
          </dl>
        </div>
      )}
      <PluginMetadata metadata={metadata} />
      {jobId !== null && <PluginOutput jobId={jobId} plugin={name} />}
    </article>
  );
}

/** The time of half of the frames, and that of 95%. */
function both(half: number, most: number): string {
  const [p50, p95] = [milliseconds(half), milliseconds(most)];
  return p50.endsWith(" ms") && p95.endsWith(" ms") ? `${p50.slice(0, -3)} / ${p95}` : `${p50} / ${p95}`;
}

function Figure({ term, value }: { term: string; value: string }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{value}</dd>
    </div>
  );
}
