import type { ReactNode } from "react";
import { isEnded, shownState } from "../api/jobStates";
import { FramePane } from "../inspector/FramePane";
import { PluginInspector } from "../inspector/PluginInspector";
import { useRealtime } from "../realtime/RealtimeContext";
import { isEndless, watchedStatus, type RealtimeState } from "../realtime/state";
import { count, duration } from "../ui/format";
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
  const { progress, endless, words } = useRealtime(progressInWords);
  return (
    <div className="progress-line">
      {!endless && <ProgressBar progress={progress} label={words} />}
      <p aria-hidden={!endless}>{words}</p>
    </div>
  );
}

/** How far the job is. A source without an end has no per cent and no time left, but the time that it has run. */
export function progressInWords(state: RealtimeState) {
  const { progress, lengthKnown, stage, framesDone, framesTotal, job } = state;
  const status = watchedStatus(state);
  const ended = isEnded(status);
  const left = ended ? null : secondsLeft(framesDone, framesTotal, job?.fps ?? null);
  const endless = isEndless(state);
  const lost = shownState(status, stage) === "reconnecting";
  const words = [
    ended ? status : (stage ?? "waiting"),
    endless || !lengthKnown ? null : `${progress}%`,
    framesTotal === null ? count(framesDone, "frame") : `${framesDone} of ${framesTotal} frames`,
    job?.fps && !lost ? `${job.fps.toFixed(1)} fps` : null,
    left === null || status === "paused" ? null : `${duration(left)} left`,
    endless && job?.duration_ms ? `for ${duration(job.duration_ms / 1000)}` : null,
  ];
  return { progress, endless, words: words.filter((word) => word !== null).join(" · ") };
}
