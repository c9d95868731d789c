import { lazy, Suspense, useEffect, useLayoutEffect, useState, type DragEvent } from "react";
import type { ExtendedJobResponse } from "./api/generated";
import { useMayOperate } from "./api/session";
import { deletions } from "./jobs/Deletions";
import { JobList } from "./jobs/JobList";
import { useRealtime, useRealtimeContext } from "./realtime/RealtimeContext";
import { draftOf, type Draft } from "./start/draft";
import { keepDraft, keptDraft } from "./start/draftStore";
import { StartForm } from "./start/StartForm";
import { Choice } from "./ui/Choice";
import { Tabs } from "./ui/Tabs";
import { goTo, jobLink } from "./ui/useRoute";
import { UnknownJob } from "./UnknownJob";
import { Welcome } from "./Welcome";

/** What only a watched job needs is loaded with the first one. */
const WatchView = lazy(() => import("./watch/WatchView").then(({ WatchView: view }) => ({ default: view })));

type Pane = "start" | "watch";
const PANES: readonly { value: Pane; label: string }[] = [
  { value: "start", label: "Start & jobs" },
  { value: "watch", label: "Watch" },
];
const WATCHER_PANES: typeof PANES = PANES.map((pane) => (pane.value === "start" ? { ...pane, label: "Jobs" } : pane));

/** The main page: a new job and all jobs on the left, the watched job beside them. */
export function Workspace({ jobId }: { jobId: string | null }) {
  const { dispatch } = useRealtimeContext();
  const [draft, setDraft] = useState<Draft>(keptDraft);
  const [draftKey, setDraftKey] = useState(0);
  const mayOperate = useMayOperate();
  const [tab, setTab] = useState("new");
  // Beside a watched job the form and the list give their room to the picture, until they are wanted.
  const [folded, setFolded] = useState(jobId !== null);
  const isFolded = folded && jobId !== null;
  // A narrow screen has room for only one of the two.
  const [pane, setPane] = useState<Pane>(jobId === null ? "start" : "watch");
  const [opened, setOpened] = useState(jobId);
  if (opened !== jobId) {
    setOpened(jobId);
    if (jobId !== null) setPane("watch");
  }

  useEffect(() => keepDraft(draft), [draft]);

  // Before the effects of the job's view, which would start with the pictures of the previous job.
  useLayoutEffect(() => dispatch({ type: "watch", jobId }), [dispatch, jobId]);

  const started = (id: string, count = 1) => {
    if (count > 1) {
      show("jobs");
      return;
    }
    goTo(jobLink(id));
    setFolded(true);
  };
  const select = (id: string) => {
    setFolded(id === tab && !isFolded);
    setTab(id);
  };
  const show = (id: string) => {
    setTab(id);
    setFolded(false);
    setPane("start");
  };
  const runAgain = (job: ExtendedJobResponse) => {
    setDraft(draftOf(job));
    setDraftKey(draftKey + 1);
    show("new");
  };
  const deleted = () => {
    if (jobId === null) return;
    deletions.request([jobId]);
    dispatch({ type: "forgotten", jobId });
    goTo("#/");
    show("jobs");
  };

  const onDrop = (event: DragEvent) => {
    const files = [...event.dataTransfer.files];
    if (files.length === 0) return;
    event.preventDefault();
    if (!mayOperate) return;
    setDraft({ ...draft, kind: "upload", files });
    show("new");
  };

  const unknown = useRealtime((state) => state.unknown);

  return (
    <main className="workspace" id="main" data-pane={pane} data-folded={isFolded} onDragOver={(event) => event.preventDefault()} onDrop={onDrop}>
      <h1 className="visually-hidden">Kinora</h1>
      <div className="pane-choice">
        <Choice legend="Part of the page" name="pane" options={mayOperate ? PANES : WATCHER_PANES} value={pane} onChange={setPane} />
      </div>
      <div className="left">
        <Tabs label="Jobs" selected={tab} onSelect={select} folded={isFolded} tabs={[
          ...(mayOperate ? [{ id: "new", label: "New job", icon: "plus", content: <StartForm key={draftKey} draft={draft} onChange={setDraft} onStarted={started} /> } as const] : []),
          { id: "jobs", label: "All jobs", icon: "list", content: <JobList current={jobId} onOpen={() => setPane("watch")} /> },
        ]} />
      </div>
      {jobId === null && <Welcome onStarted={started} />}
      {jobId !== null && unknown && <UnknownJob jobId={jobId} onList={() => show("jobs")} />}
      {jobId !== null && !unknown && (
        <Suspense fallback={<div className="watch" />}>
          <WatchView key={jobId} jobId={jobId} onRunAgain={runAgain} onDeleted={deleted} />
        </Suspense>
      )}
    </main>
  );
}
