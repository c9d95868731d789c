import type { AgentState, JobSummary } from "../api/generated";
import { Badge } from "../ui/Badge";
import { count, moment } from "../ui/format";
import { Notice } from "../ui/Notice";
import { jobLink } from "../ui/useRoute";
import { barsOf, originOf, thingsOf, type Bar } from "./agentWords";

interface AgentArticleProps {
  agent: AgentState;
  /** The running jobs of the server, by their ids. */
  jobs: ReadonlyMap<string, JobSummary>;
}

/** An agent: its load, its jobs, and what keeps others away from it. */
export function AgentArticle({ agent, jobs }: AgentArticleProps) {
  const { name, status, reason, differing, lost_at: lostAt, load, since } = agent;
  return (
    <article className="agent-article" aria-label={name} data-status={status}>
      <header>
        <h2>{name}</h2>
        <Badge text={status} />
        <p className="hint">{originOf(agent)}, {status === "away" ? "away" : "connected"} since {moment(since)}</p>
      </header>
      {reason !== null && <Notice tone={status === "away" ? "warn" : "neutral"}>{reason}{lostAt !== null && ` It counts as lost at ${moment(lostAt)}.`}</Notice>}
      <div className="bars">
        {barsOf(agent).map((bar) => <LoadBar key={bar.label} bar={bar} />)}
      </div>
      <Jobs ids={agent.jobs} jobs={jobs} />
      {differing.length > 0 && (
        <details>
          <summary>{count(differing.length, "plugin")} not as on the server: no job with {differing.length === 1 ? "it" : "these"} comes here</summary>
          <dl className="option-list">
            {differing.map((plugin) => <div key={plugin.name}><dt><code>{plugin.name}</code></dt><dd>{plugin.reason}</dd></div>)}
          </dl>
        </details>
      )}
      <Versions agent={agent} />
      <footer>
        {thingsOf(agent).map((thing) => <span key={thing} className="tag">{thing}</span>)}
        {load !== null && <span className="hint">{count(load.workers, "process", "processes")}</span>}
      </footer>
    </article>
  );
}

function LoadBar({ bar: { label, text, share } }: { bar: Bar }) {
  return (
    <div className="load-bar">
      <span>{label}</span>
      <span className="hint">{text}</span>
      <div role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)} aria-valuetext={text}>
        <div style={{ inlineSize: `${share * 100}%` }} />
      </div>
    </div>
  );
}

function Jobs({ ids, jobs }: { ids: readonly string[]; jobs: AgentArticleProps["jobs"] }) {
  if (ids.length === 0) return <p className="hint">No job runs there.</p>;
  return (
    <ul className="agent-jobs" aria-label="Its jobs">
      {ids.map((id) => {
        const job = jobs.get(id);
        return (
          <li key={id}>
            <a href={jobLink(id)}>{job?.source ?? id.slice(0, 8)}</a>
            {job && <span className="hint">{job.plugins.join(" → ")}</span>}
          </li>
        );
      })}
    </ul>
  );
}

function Versions({ agent: { kinora, versions } }: { agent: AgentState }) {
  return (
    <details>
      <summary>Kinora {kinora} and its libraries</summary>
      <dl className="versions">
        {Object.entries(versions).map(([name, version]) => <div key={name}><dt>{name}</dt><dd>{version}</dd></div>)}
      </dl>
    </details>
  );
}
