import { useRealtime } from "./realtime/RealtimeContext";
import { Button } from "./ui/Button";
import { Icon } from "./ui/Icon";

/** The view in place of a job that the server does not have, or no longer. */
export function UnknownJob({ jobId, onList }: { jobId: string; onList: () => void }) {
  const last = useRealtime((state) => state.job);
  return (
    <div className="welcome" role="alert">
      <Icon name={last === null ? "search" : "trash"} />
      <h2>{last === null ? "There is no such job" : "This job was deleted"}</h2>
      {last === null
        ? <p>The server has no job <code>{jobId}</code>: it may have been deleted, or the link is from another server.</p>
        : <p>The job on <strong>{last.source}</strong> and its results are gone: somebody has deleted it, or the server needed room for newer ones.</p>}
      <Button kind="primary" className="large" icon="list" onClick={onList}>Look in all jobs</Button>
    </div>
  );
}
