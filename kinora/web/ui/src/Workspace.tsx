import { useLayoutEffect, useState, type DragEvent } from "react";
import type { ExtendedJobResponse } from "./api/generated";
import { JobList } from "./jobs/JobList";
import { useRealtimeContext } from "./realtime/RealtimeContext";
import { draftOf, firstDraft, type Draft } from "./start/draft";
import { StartForm } from "./start/StartForm";
import { Choice } from "./ui/Choice";
import { Tabs } from "./ui/Tabs";
import { goTo, jobLink } from "./ui/useRoute";
import { isString, readStored } from "./ui/useStored";
import { WatchView } from "./watch/WatchView";
import { Welcome } from "./Welcome";

type Pane = "start" | "watch";
const PANES: readonly { value: Pane; label: string }[] = [
  { value: "start", label: "Start & jobs" },
  { value: "watch", label: "Watch" },
];

/** The main page: a new job and all jobs on the left, the watched job beside them. */
export function Workspace({ jobId }: { jobId: string | null }) {
  const { dispatch } = useRealtimeContext();
  const [draft, setDraft] = useState<Draft>(() => firstDraft(readStored("device", "auto", isString)));
  const [draftKey, setDraftKey] = useState(0);
  const [tab, setTab] = useState("new");
  // A narrow screen has room for only one of the two.
  const [pane, setPane] = useState<Pane>(jobId === null ? "start" : "watch");

  // Before the effects of the job's view, which would start with the pictures of the previous job.
  useLayoutEffect(() => dispatch({ type: "watch", jobId }), [dispatch, jobId]);

  const open = (id: string) => {
    goTo(jobLink(id));
    setPane("watch");
  };
  const runAgain = (job: ExtendedJobResponse) => {
    setDraft(draftOf(job));
    setDraftKey(draftKey + 1);
    setTab("new");
    setPane("start");
  };
  const deleted = () => {
    if (jobId !== null) dispatch({ type: "forgotten", jobId });
    goTo("#/");
    setTab("jobs");
    setPane("start");
  };

  const onDrop = (event: DragEvent) => {
    const file = event.dataTransfer.files[0];
    if (!file) return;
    event.preventDefault();
    setDraft({ ...draft, kind: "upload", file });
    setTab("new");
    setPane("start");
  };

  return (
    <main className="workspace" id="main" data-pane={pane} onDragOver={(event) => event.preventDefault()} onDrop={onDrop}>
      <h1 className="visually-hidden">Kinora</h1>
      <div className="pane-choice">
        <Choice legend="Part of the page" name="pane" options={PANES} value={pane} onChange={setPane} />
      </div>
      <div className="left">
        <Tabs label="Jobs" selected={tab} onSelect={setTab} tabs={[
          { id: "new", label: "New job", content: <StartForm key={draftKey} draft={draft} onChange={setDraft} onStarted={open} /> },
          { id: "jobs", label: "All jobs", content: <JobList current={jobId} onOpen={() => setPane("watch")} /> },
        ]} />
      </div>
      {jobId === null ? <Welcome onStarted={open} /> : <WatchView key={jobId} jobId={jobId} onRunAgain={runAgain} onDeleted={deleted} />}
    </main>
  );
}
