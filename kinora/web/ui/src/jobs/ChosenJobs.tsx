import { cancelJob, streamFrames } from "../api/calls";
import type { JobSummary } from "../api/generated";
import { isEnded } from "../api/jobStates";
import { saveBlob } from "../results/saveBlob";
import { Button } from "../ui/Button";
import { Menu } from "../ui/Menu";
import { Notice } from "../ui/Notice";
import { useAction } from "../ui/useAction";
import { deletions } from "./Deletions";

interface ChosenJobsProps {
  jobs: readonly JobSummary[];
  onClear: () => void;
}

const FORMATS = [
  { label: "CSV", type: "text/csv", suffix: "csv" },
  { label: "NDJSON", type: "application/x-ndjson", suffix: "ndjson" },
] as const;

/** The actions on several jobs at once: cancel, export, delete. */
export function ChosenJobs({ jobs, onClear }: ChosenJobsProps) {
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
      <Button kind="quiet" icon="stop" busy={busy === "cancel"} disabled={live.length === 0 || busy !== null} onClick={() => run("cancel", cancel)}>Cancel</Button>
      <Menu label="Export" icon="download" busy={busy === "export"}>
        {FORMATS.map((format) => (
          <Button key={format.label} kind="quiet" disabled={busy !== null} onClick={() => run("export", () => save(jobs, format))}>
            {format.label}, a file for each job
          </Button>
        ))}
      </Menu>
      <Button kind="quiet" icon="trash" onClick={remove}>Delete</Button>
      <Button kind="quiet" icon="close" onClick={onClear}>None</Button>
      {error !== null && <Notice tone="bad">{error}</Notice>}
    </div>
  );
}

/** Save the frames of each job, one job after the other, in a file that is named after its source. */
async function save(jobs: readonly JobSummary[], { type, suffix }: (typeof FORMATS)[number]): Promise<void> {
  for (const job of jobs) {
    const blob = await (await streamFrames(job.job_id, type, -1)).blob();
    saveBlob(blob, `${stemOf(job.source)}-${job.job_id.slice(0, 8)}.${suffix}`);
  }
}

/** The last part of a source without its suffix, fit for a file's name. */
export function stemOf(source: string): string {
  const last = source.replace(/[?#].*$/, "").split("/").findLast((part) => part !== "") ?? "";
  return last.replace(/\.\w{1,5}$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "_").replace(/^_+|_+$/g, "") || "kinora";
}
