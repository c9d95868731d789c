import { Button } from "./ui/Button";
import { Icon } from "./ui/Icon";

/** The view in place of a job that the server does not have. */
export function UnknownJob({ jobId, onList }: { jobId: string; onList: () => void }) {
  return (
    <div className="welcome" role="alert">
      <Icon name="search" />
      <h2>There is no such job</h2>
      <p>The server has no job <code>{jobId}</code>: it may have been deleted, or the link is from another server.</p>
      <Button kind="primary" className="large" icon="list" onClick={onList}>Look in all jobs</Button>
    </div>
  );
}
