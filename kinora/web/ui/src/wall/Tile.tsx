import { useEffect, useRef, useState } from "react";
import { frameUrl } from "../api/calls";
import type { FrameData, JobSummary } from "../api/generated";
import { isEnded, shownState, statusIn } from "../api/jobStates";
import { visibleDetections } from "../draw/detections";
import { skeletonsOf } from "../draw/pose";
import { viewOptions } from "../draw/viewOptions";
import { useRealtime, useRealtimeContext } from "../realtime/RealtimeContext";
import { Badge } from "../ui/Badge";
import { count } from "../ui/format";
import { jobLink } from "../ui/useRoute";
import { TilePainter } from "./TilePainter";
import { useInView } from "./useInView";
import { useOutage } from "./useOutage";
import { useRate } from "../ui/useRate";
import type { WallFeed } from "./WallFeed";

interface TileProps {
  job: JobSummary;
  feed: WallFeed;
}

/** A running job's picture with its results, its state and its frames per second; leads to the job. */
export function Tile({ job, feed }: TileProps) {
  const id = job.job_id;
  const { store } = useRealtimeContext();
  const live = useRealtime((state) => state.jobs[id]);
  const isOff = useRealtime((state) => state.connection.closed !== null);
  const link = useRef<HTMLAnchorElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const found = useRef<HTMLSpanElement>(null);
  const [empty, setEmpty] = useState(true);
  const inView = useInView(link);
  const stage = live?.stage ?? job.stage;
  const status = live?.status ?? statusIn(stage, job.status);
  const outage = useOutage(id, job.source, status === "running" ? stage : status, live);
  const rate = useRate(live?.framesDone ?? job.frames_done);
  const progress = live?.progress ?? job.progress;

  useEffect(() => {
    const element = canvas.current;
    if (!element || !inView) return;
    const painter = new TilePainter(element, () => skeletonsOf(store.latest.metadata), (frame: FrameData) => {
      const number = visibleDetections(frame, viewOptions.get()).length;
      element.dataset.index = String(frame.index);
      element.dataset.found = String(number);
      if (found.current) found.current.textContent = number === 0 ? "" : `${number} found`;
      setEmpty(false);
    });
    const resized = new ResizeObserver(painter.repaint);
    resized.observe(element);
    const leave = [feed.show(id, painter.frames), viewOptions.subscribe(painter.repaint)];
    return () => {
      resized.disconnect();
      for (const stop of leave) stop();
      painter.stop();
    };
  }, [feed, id, inView, store]);

  const words = empty && outage === null ? waitingFor(stage) : null;
  return (
    <li>
      <a className="tile" href={jobLink(id)} ref={link} data-lost={outage !== null}>
        <span className="tile-picture">
          {isOff && job.picture !== null && <img src={frameUrl(id, job.picture)} alt="" />}
          <canvas ref={canvas} aria-hidden="true" />
          {outage !== null && <span className="stage-outage"><i className="dot" /> {outage}</span>}
          {words !== null && !isOff && <span className="tile-words">{words}</span>}
        </span>
        <span className="tile-words-line">
          <strong title={job.source}>{job.source}</strong>
          <Badge text={shownState(status, stage)} />
          {rate !== null && outage === null && !isEnded(status) && <span>{rate.toFixed(1)} fps</span>}
          {progress !== null && job.frames_total !== null && <span>{progress}%</span>}
          <span ref={found} />
          {job.warnings_count > 0 && <span className="warn-text">{count(job.warnings_count, "warning")}</span>}
        </span>
      </a>
    </li>
  );
}

function waitingFor(stage: string): string {
  return stage === "preparing" ? "The plugins are getting ready…" : "Waiting for a picture…";
}
