import { useEffect } from "react";
import { getAgents, getJobs } from "../api/calls";
import type { AgentList, JobSummary, LostAgent } from "../api/generated";
import { useMayOperate } from "../api/session";
import { Icon } from "../ui/Icon";
import { moment } from "../ui/format";
import { Notice } from "../ui/Notice";
import { useLoaded } from "../ui/useLoaded";
import { AgentArticle } from "./AgentArticle";
import { fleetLine } from "./agentWords";

/** The figures are asked for again after so long. */
const REFRESH_MS = 3000;

interface Fleet {
  list: AgentList;
  /** The jobs that have begun, by their ids. */
  jobs: ReadonlyMap<string, JobSummary>;
}

async function getFleet(signal: AbortSignal): Promise<Fleet> {
  const [list, { jobs }] = await Promise.all([getAgents(signal), getJobs({ status: "running", search: "" }, null, 100, signal)]);
  return { list, jobs: new Map(jobs.map((job) => [job.job_id, job])) };
}

/** What runs where: all agents with their jobs and load, and why one gets none. */
export function AgentsPage() {
  const { value, error, reload } = useLoaded(getFleet);
  useEffect(() => {
    const timer = setInterval(reload, REFRESH_MS);
    return () => clearInterval(timer);
  }, [reload]);
  const agents = value?.list.agents ?? [];
  return (
    <main className="agents-page" id="main">
      <header>
        <h1>Agents</h1>
        <p className="hint">{fleetLine(agents)}</p>
      </header>
      {error !== null && <Notice tone="bad">{error}</Notice>}
      {value !== null && agents.length === 0 && <Empty />}
      {agents.length > 0 && (
        <div className="agent-grid">
          {agents.map((agent) => <AgentArticle key={agent.id} agent={agent} jobs={value?.jobs ?? new Map()} />)}
        </div>
      )}
      {value !== null && value.list.lost.length > 0 && <Lost lost={value.list.lost} />}
    </main>
  );
}

function Empty() {
  const mayOperate = useMayOperate();
  return (
    <div className="empty">
      <Icon name="layers" />
      <p><strong>Jobs run in the server itself.</strong></p>
      <p className="hint">Agents are processes that run whole jobs for it, on this machine or on others.</p>
      {mayOperate && (
        <dl className="how">
          <div><dt>Two on the server’s machine</dt><dd><code>kinora serve --agents 2</code></dd></div>
          <div><dt>One on another machine</dt><dd><code>kinora agent --server {location.origin} --token-file FILE</code></dd></div>
        </dl>
      )}
    </div>
  );
}

function Lost({ lost }: { lost: readonly LostAgent[] }) {
  return (
    <section className="lost-agents" aria-labelledby="lost-agents">
      <h2 id="lost-agents">Gone in the last hour</h2>
      <ul>
        {lost.map(({ id, name, lost_at: at, left, reason }) => (
          <li key={id}><strong>{name}</strong> <time className="hint" dateTime={at}>{left ? "left" : "lost"} at {moment(at)}</time> <span>{reason}</span></li>
        ))}
      </ul>
    </section>
  );
}
