import { useEffect, useLayoutEffect, useRef, useState, type CSSProperties } from "react";
import { tellRefused } from "../api/http";
import { useMayOperate } from "../api/session";
import { FullscreenButton } from "../controls/FullscreenButton";
import { useViewOptions, viewOptions } from "../draw/viewOptions";
import { useJobList, type JobQuery } from "../jobs/useJobList";
import { REALTIME_ADDRESS } from "../realtime/address";
import { RealtimeClient } from "../realtime/RealtimeClient";
import { useRealtimeContext } from "../realtime/RealtimeContext";
import { uuid } from "../realtime/uuid";
import { Toggle } from "../ui/Button";
import { count } from "../ui/format";
import { Icon } from "../ui/Icon";
import { Notice } from "../ui/Notice";
import { layoutOf } from "./layout";
import { Tile } from "./Tile";
import { WallFeed } from "./WallFeed";

const RUNNING: JobQuery = { status: "running", search: "" };

/** All running jobs at once, a tile for each. */
export function WallPage() {
  const { dispatch } = useRealtimeContext();
  const { jobs, loading, error, hasMore, more, refresh } = useJobList(RUNNING);
  const [feed] = useState(newFeed);
  const { overlay } = useViewOptions();
  const page = useRef<HTMLElement>(null);
  const { columns, rows, narrow } = layoutOf(jobs.length);
  const style = { "--columns": columns, "--rows": rows, "--narrow": narrow } as CSSProperties;

  // Nothing is sent any more of the job that was watched before.
  useLayoutEffect(() => dispatch({ type: "watch", jobId: null }), [dispatch]);
  useEffect(() => {
    document.title = `Wall · ${count(jobs.length, "job")} · Kinora`;
    return () => void (document.title = "Kinora");
  }, [jobs.length]);

  return (
    <main className="wall" id="main" ref={page}>
      <header>
        <h1>Wall</h1>
        <p className="hint" role="status">{jobs.length === 0 ? "" : `${count(jobs.length, "job")} running`}</p>
        <Toggle icon="layers" label="Overlay" on={overlay} onChange={(on) => viewOptions.set({ overlay: on })} />
        <FullscreenButton stage={page} />
      </header>
      {error !== null && <Notice tone="bad">{error} <button type="button" className="link" onClick={refresh}>Try again</button></Notice>}
      {jobs.length === 0 && !loading && error === null && <Empty />}
      {jobs.length > 0 && (
        <ul className="tiles" style={style} aria-label="Running jobs">
          {jobs.map((job) => <Tile key={job.job_id} job={job} feed={feed} />)}
        </ul>
      )}
      {hasMore && <button type="button" className="link" onClick={more}>Show older jobs too</button>}
    </main>
  );
}

function newFeed(): WallFeed {
  return new WallFeed(({ onState, ...handlers }) => new RealtimeClient({
    url: REALTIME_ADDRESS,
    sessionId: uuid(),
    ...handlers,
    onState: (info) => {
      onState?.(info);
      if (info.closed === "refused") tellRefused();
    },
  }));
}

function Empty() {
  const mayOperate = useMayOperate();
  return (
    <div className="empty">
      <Icon name="wall" />
      <p><strong>No job is running.</strong></p>
      <p className="hint">Each running job has its picture here{mayOperate ? ": start one, on a camera for example." : "."}</p>
      {mayOperate && <a className="button primary" href="#/"><Icon name="plus" /> New job</a>}
    </div>
  );
}
