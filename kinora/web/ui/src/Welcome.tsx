import { submitJob } from "./api/calls";
import { firstDraft, requestOf } from "./start/draft";
import { Button } from "./ui/Button";
import { Icon } from "./ui/Icon";
import { Notice } from "./ui/Notice";
import { useAction } from "./ui/useAction";

/** The view in place of a watched job while none is chosen. */
export function Welcome({ onStarted }: { onStarted: (jobId: string) => void }) {
  const { busy, error, run } = useAction();
  const startDemo = async () => {
    const request = requestOf(firstDraft("auto"));
    if (typeof request !== "string") onStarted((await submitJob(request)).jobId);
  };
  return (
    <div className="welcome">
      <Icon name="film" />
      <p>Start a job, or open one from the list.</p>
      <p className="hint">You will see here what each plugin does, live.</p>
      <Button icon="play" busy={busy !== null} onClick={() => run("demo", startDemo)}>
        Watch the demo
      </Button>
      {error !== null && <Notice tone="bad">{error}</Notice>}
    </div>
  );
}
