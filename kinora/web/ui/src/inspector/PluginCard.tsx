import type { TimingSummary } from "../api/generated";
import { useRealtime } from "../realtime/RealtimeContext";
import { watchedStatus } from "../realtime/state";
import { Badge } from "../ui/Badge";
import { count, milliseconds } from "../ui/format";
import { PluginMetadata } from "./PluginMetadata";
import { stageInWords } from "./stageInWords";
import { TimingChart } from "./TimingChart";

/** The state and timings of one plugin in the watched job. */
export function PluginCard({ name }: { name: string }) {
  const live = useRealtime((state) => state.plugins[name]);
  const full = useRealtime((state) => state.job?.plugins[name]);
  const total = useRealtime((state) => state.pluginTimings[name]);
  const jobStatus = useRealtime(watchedStatus);
  const metadata = useRealtime((state) => state.metadata[name] ?? null);
  if (!live) return null;
  const restarts = full?.restarts ?? 0;
  const failures = full?.failures ?? 0;
  return (
    <article className="plugin-card" aria-label={name}>
      <header>
        <h3>{name}</h3>
        <span className="hint">{count(live.frames, "frame")}</span>
        <Badge text={stageInWords(live.status, jobStatus)} />
        {live.health !== "ok" && live.health !== live.status && <Badge text={live.health} />}
        {restarts > 0 && <Badge text={count(restarts, "restart")} tone="warn" />}
        {failures > 0 && <Badge text={count(failures, "failure")} tone="bad" />}
      </header>
      <TimingChart plugin={name} budgetMs={metadata?.latency_budget_ms ?? null} summary={full?.run_ms ?? null} />
      <dl className="figures">
        <Figure term="run p50 / p95" value={both(full?.run_ms)} />
        <Figure term="queue p50 / p95" value={both(full?.queue_ms)} />
        <Figure term="total" value={milliseconds(total)} />
      </dl>
      <PluginMetadata metadata={metadata} finalResult={full?.finalize ?? null} />
    </article>
  );
}

function both(summary: TimingSummary | null | undefined): string {
  if (!summary) return "–";
  const [p50, p95] = [milliseconds(summary.p50), milliseconds(summary.p95)];
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
