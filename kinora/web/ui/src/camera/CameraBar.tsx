import { useSyncExternalStore } from "react";
import { Button, IconButton } from "../ui/Button";
import { count } from "../ui/format";
import { useRate } from "../ui/useRate";
import { jobLink } from "../ui/useRoute";
import { pushing, type Pushed } from "./Pushing";

/** Says on every view that this browser's camera is being sent, and ends that. */
export function CameraBar() {
  const pushed = useSyncExternalStore(pushing.subscribe, pushing.get);
  if (pushed === null) return null;
  const over = pushed.step === "over";
  return (
    <div className="camera-bar" role="region" aria-label="This browser’s camera" data-step={pushed.step}>
      <span className="dot" />
      <p role="status">{inWords(pushed)}</p>
      {!over && <Counts pushed={pushed} />}
      <a href={jobLink(pushed.jobId)}>Its job</a>
      {over ? <IconButton icon="close" label="Close" onClick={pushing.forget} /> : (
        <Button icon="stop" kind="danger" busy={pushed.step === "ending"} onClick={pushing.stop}>Stop the camera</Button>
      )}
    </div>
  );
}

/** Not read aloud, as it changes all the time. */
function Counts({ pushed: { sent, skipped, dropped } }: { pushed: Pushed }) {
  const rate = useRate(sent);
  const words = [
    rate === null ? null : `${rate.toFixed(1)} a second`,
    skipped === 0 ? null : `${count(skipped, "picture")} left out, as the network is slow`,
    dropped === 0 ? null : `${count(dropped, "picture")} dropped for newer ones`,
  ];
  return <span className="camera-counts" aria-hidden="true">{words.filter((word) => word !== null).join(" · ")}</span>;
}

function inWords({ step, fault }: Pushed): string {
  switch (step) {
    case "connecting":
      return "Connecting this browser’s camera…";
    case "sending":
      return fault ?? "This browser’s camera is being sent";
    case "lost":
      return "The connection was lost: trying again. The server waits for 30 s";
    case "ending":
      return "Sending the last picture…";
    case "over":
      return fault ?? "";
  }
}
