import { useState, type ReactNode } from "react";
import { AgentArticle } from "../agents/AgentArticle";
import type { JobSummary, PluginSummary } from "../api/generated";
import { STATUSES } from "../api/jobStates";
import type { PluginChoice } from "../api/types";
import { DeviceSelector } from "../controls/DeviceSelector";
import { JobStatus } from "../controls/JobStatus";
import { ConnectionNote } from "../header/ConnectionBadge";
import { ThemeButton } from "../header/ThemeButton";
import { PluginCard } from "../inspector/PluginCard";
import { Warnings } from "../inspector/WarningList";
import { JobRow } from "../jobs/JobRow";
import { ProgressBar } from "../overlay/ProgressBar";
import { PluginArticle } from "../plugins/PluginArticle";
import { RealtimeContext } from "../realtime/RealtimeContext";
import { PluginPicker } from "../start/PluginPicker";
import { Badge } from "../ui/Badge";
import { Button, IconButton, Toggle } from "../ui/Button";
import { Choice } from "../ui/Choice";
import { Notice } from "../ui/Notice";
import { Tabs } from "../ui/Tabs";
import { VirtualList } from "../ui/VirtualList";
import { AGENTS, CONNECTIONS, DEVICES, JOB, PLUGINS, WARNINGS } from "./examples";
import { FAILED_JOB, RUNNING_JOB } from "./watched";

/** A page with the components in all their states, to look at; it makes no requests. */
export function UiKit() {
  return (
    <main className="kit" id="main">
      <header className="row">
        <h1>UI kit</h1>
        <ThemeButton />
      </header>
      <Buttons />
      <Example title="Badges and notices">
        <div className="row">{["queued", "running", "paused", "done", "failed", "cancelled", "interrupted", "degraded"].map((text) => <Badge key={text} text={text} />)}</div>
        <Notice tone="bad">The server cannot be reached: check that it is running.</Notice>
        <Notice tone="warn">Runs on cpu instead of gpu: there is no NVIDIA driver here.</Notice>
        <Notice tone="info">The server was restarted. This is the current state.</Notice>
      </Example>
      <Example title="Connection">
        {CONNECTIONS.map((info) => <ConnectionNote key={info.state + String(info.closed) + String(info.givenUp)} info={info} onReconnect={noop} />)}
      </Example>
      <Example title="Progress">
        {[0, 42, 100].map((progress) => <ProgressBar key={progress} progress={progress} />)}
      </Example>
      <Example title="Jobs">
        {STATUSES.map((status) => <JobExample key={status} status={status} />)}
      </Example>
      <Example title="Agents">
        <div className="agent-grid">
          {AGENTS.map((agent) => <AgentArticle key={agent.id} agent={agent} jobs={new Map([[JOB.job_id, JOB]])} />)}
        </div>
      </Example>
      <Example title="Warnings">
        <Warnings groups={WARNINGS} onJump={noop} />
        <Warnings groups={[]} onJump={noop} />
      </Example>
      <Example title="Plugins of a job that runs">
        <RealtimeContext value={RUNNING_JOB}>
          <PluginCard name="people" />
          <PluginCard name="tracker" />
        </RealtimeContext>
      </Example>
      <Example title="A job that failed">
        <RealtimeContext value={FAILED_JOB}>
          <JobStatus onRunAgain={noop} onDeleted={noop} />
          <PluginCard name="people" />
          <PluginCard name="tracker" />
        </RealtimeContext>
      </Example>
      <Pickers />
      <Example title="Plugins">
        <div className="plugin-grid">{PLUGINS.map((plugin: PluginSummary) => <PluginArticle key={plugin.name} plugin={plugin} />)}</div>
      </Example>
      <Example title="A list of a million rows">
        <VirtualList label="Rows" count={1_000_000} rowRem={2} renderRow={(index) => <span>Row {index.toLocaleString("en")}</span>} />
      </Example>
    </main>
  );
}

const noop = () => undefined;

function Example({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function JobExample({ status }: { status: JobSummary["status"] }) {
  return <JobRow job={{ ...JOB, status }} live={undefined} href="#kit" current={status === "running"} onOpen={noop} />;
}

function Buttons() {
  const [on, setOn] = useState(true);
  return (
    <Example title="Buttons">
      <div className="row">
        <Button kind="primary" icon="play">Start</Button>
        <Button kind="primary" busy>Starting…</Button>
        <Button icon="pause">Pause</Button>
        <Button icon="pause" disabled>Pause</Button>
        <Button kind="danger" icon="stop">Cancel</Button>
        <Button kind="quiet" icon="download">CSV</Button>
        <IconButton icon="close" label="Close" />
        <Toggle icon="boxes" label="Boxes" on={on} onChange={setOn} />
        <Toggle icon="radar" label="Map" on={!on} onChange={(off) => setOn(!off)} />
      </div>
    </Example>
  );
}

function Pickers() {
  const [device, setDevice] = useState("cuda:0");
  const [chosen, setChosen] = useState<PluginChoice[]>([{ name: "people", options: {} }, { name: "tracker", options: { min_hits: 3 } }]);
  const [source, setSource] = useState("demo");
  const [tab, setTab] = useState("one");
  return (
    <Example title="Choosing">
      <Choice legend="Source" name="kit-source" value={source} onChange={setSource} options={[{ value: "demo", label: "Demo" }, { value: "file", label: "File" }]} />
      <DeviceSelector devices={DEVICES} best="cpu" value={device} onChange={setDevice} />
      <PluginPicker plugins={PLUGINS} chosen={chosen} onChange={setChosen} />
      <Tabs label="Example" selected={tab} onSelect={setTab} tabs={[{ id: "one", label: "One", content: <p>First</p> }, { id: "two", label: "Two", content: <p>Second</p> }]} />
    </Example>
  );
}
