import { cancelJob, type ExportFormat } from "../api/calls";
import type { JobSummary } from "../api/generated";
import { isEnded } from "../api/jobStates";
import { useMayOperate } from "../api/session";
import { saveEach } from "../results/exports";
import { Button } from "../ui/Button";
import { Menu } from "../ui/Menu";
import { Notice } from "../ui/Notice";
import { useAction } from "../ui/useAction";
import { deletions } from "./Deletions";

interface ChosenJobsProps {
  jobs: readonly JobSummary[];
  onClear: () => void;
}

const FORMATS: readonly { label: string; format: ExportFormat }[] = [
  { label: "JSON", format: "json" },
  { label: "NDJSON", format: "ndjson" },
  { label: "CSV", format: "csv" },
];

/** The actions on several jobs at once: cancel, export, delete. */
export function ChosenJobs({ jobs, onClear }: ChosenJobsProps) {
  const mayOperate = useMayOperate();
  const { busy, error, run } = useAction();
  const live = jobs.filter(({ status }) => !isEnded(status));
  const cancel = async () => {
    await Promise.all(live.map((job) => cancelJob(job.job_id)));
  };
  const remove = () => {
    deletions.request(jobs.map((job) => job.job_id));
    onClear();
  };
  return (
    <div className="chosen-jobs" role="group" aria-label="Chosen jobs">
      <strong>{jobs.length} chosen</strong>
      {mayOperate && <Button kind="quiet" icon="stop" busy={busy === "cancel"} disabled={live.length === 0 || busy !== null} onClick={() => run("cancel", cancel)}>Cancel</Button>}
      <Menu label="Export" icon="download" busy={busy === "export"}>
        {FORMATS.map(({ label, format }) => (
          <Button key={label} kind="quiet" disabled={busy !== null} onClick={() => run("export", () => saveEach(jobs.map((job) => job.job_id), format))}>
            {label}, a file for each job
          </Button>
        ))}
      </Menu>
      {mayOperate && <Button kind="quiet" icon="trash" onClick={remove}>Delete</Button>}
      <Button kind="quiet" icon="close" onClick={onClear}>None</Button>
      {error !== null && <Notice tone="bad">{error}</Notice>}
    </div>
  );
}
