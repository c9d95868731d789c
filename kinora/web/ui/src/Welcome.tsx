import { submitJob } from "./api/calls";
import { useMayOperate } from "./api/session";
import { firstDraft, requestOf } from "./start/draft";
import { Button } from "./ui/Button";
import { Notice } from "./ui/Notice";
import { useAction } from "./ui/useAction";
import { WelcomePicture } from "./WelcomePicture";

/** The view in place of a watched job while none is chosen. */
export function Welcome({ onStarted }: { onStarted: (jobId: string) => void }) {
  const mayOperate = useMayOperate();
  const { busy, error, run } = useAction();
  const startDemo = async () => {
    const request = requestOf(firstDraft("auto"));
    if (typeof request !== "string") onStarted((await submitJob(request)).jobId);
  };
  return (
    <div className="welcome">
      <WelcomePicture />
      <h2>See what each plugin finds, frame by frame</h2>
      <p>{mayOperate ? "Drop a video here, or choose a source and press Start. Or open a job from the list." : "You may watch: open a job from the list."}</p>
      {mayOperate && (
        <Button kind="primary" className="large" icon="play" busy={busy !== null} onClick={() => run("demo", startDemo)}>
          Watch the demo
        </Button>
      )}
      {error !== null && <Notice tone="bad">{error}</Notice>}
    </div>
  );
}
