import type { ReactNode } from "react";
import { isEnded } from "../api/jobStates";
import { FramePane } from "../inspector/FramePane";
import { PluginInspector } from "../inspector/PluginInspector";
import { useRealtime } from "../realtime/RealtimeContext";
import { watchedStatus, type RealtimeState } from "../realtime/state";
import { duration } from "../ui/format";
import { FrameRenderer } from "./FrameRenderer";
import { ProgressBar } from "./ProgressBar";
import { secondsLeft } from "./secondsLeft";

interface RealtimeOverlayProps {
  /** Above the picture. */
  controls: ReactNode;
  /** Below the picture. */
  transport: ReactNode;
  /** Above all. */
  status: ReactNode;
}

/** A watched job: the picture with its progress, and the inspector beside it. */
export function RealtimeOverlay({ controls, transport, status }: RealtimeOverlayProps) {
  return (
    <>
      {status}
      <section className="centre" aria-label="Picture">
        {controls}
        <FrameRenderer />
        <Progress />
        {transport}
      </section>
      <aside className="right" aria-label="Frame and plugins">
        <FramePane />
        <PluginInspector />
      </aside>
    </>
  );
}

function Progress() {
  const { progress, known, words } = useRealtime(progressInWords);
  return (
    <div className="progress-line">
      <ProgressBar progress={progress} known={known} label={words} />
      <p aria-hidden="true">{words}</p>
    </div>
  );
}

function progressInWords(state: RealtimeState) {
  const { progress, lengthKnown: known, stage, framesDone, framesTotal, job } = state;
  const status = watchedStatus(state);
  const ended = isEnded(status);
  const left = ended ? null : secondsLeft(framesDone, framesTotal, job?.fps ?? null);
  const words = [
    ended ? status : (stage ?? "waiting"),
    known ? `${progress}%` : null,
    framesTotal === null ? `${framesDone} frames` : `${framesDone} of ${framesTotal} frames`,
    job?.fps ? `${job.fps.toFixed(1)} fps` : null,
    left === null || status === "paused" ? null : `${duration(left)} left`,
  ];
  return { progress, known: known || ended, words: words.filter((word) => word !== null).join(" · ") };
}
