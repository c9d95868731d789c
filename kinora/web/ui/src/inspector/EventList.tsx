import { useMemo, useState, useSyncExternalStore } from "react";
import { eventsUrl } from "../api/calls";
import type { EventPayload } from "../api/generated";
import { usePlayer } from "../player/PlayerContext";
import { Badge } from "../ui/Badge";
import { clock, count } from "../ui/format";
import { Icon } from "../ui/Icon";
import { Notice } from "../ui/Notice";
import { VirtualList } from "../ui/VirtualList";
import { ChosenEvent } from "./ChosenEvent";
import { useClips } from "./useClips";
import { useShownFrame } from "./useShownFrame";

const ROW_REM = 2.75;
/** The events on a page of the server. */
const PAGE = 1000;

/** The watched job's events in order; each leads to its frame. */
export function EventList() {
  const { events, jobId } = usePlayer();
  const { list, leftOut, error } = useSyncExternalStore(events.subscribe, events.get);
  if (list.length === 0 && error === null) return null;
  return (
    <section className="event-list" aria-label="Events">
      <h2>Events <Badge text={(list.length + leftOut).toLocaleString("en")} tone="info" /></h2>
      {error !== null && <Notice tone="bad">{error}</Notice>}
      {leftOut > 0 && (
        <p className="hint">
          The newest are listed; {count(leftOut, "older one is", "older ones are")} left out here. <a href={eventsUrl(jobId, 0, PAGE)}>Read all from the server</a>, {count(PAGE, "event")} at a time.
        </p>
      )}
      <Listed list={list} />
    </section>
  );
}

function Listed({ list }: { list: readonly EventPayload[] }) {
  const player = usePlayer();
  const frame = useShownFrame();
  const [wanted, setWanted] = useState("");
  const [chosen, setChosen] = useState<EventPayload | null>(null);
  const clips = useClips(player.jobId, chosen?.number);
  const kinds = useMemo(() => [...new Set(list.map(({ kind }) => kind))], [list]);
  const shown = useMemo(() => (wanted === "" ? list : list.filter(({ kind }) => kind === wanted)), [list, wanted]);
  const at = frame === null ? -1 : shown.findLastIndex(({ index }) => index !== null && index <= frame.index);
  const choose = (event: EventPayload) => {
    setChosen(event);
    if (event.index !== null) player.seekIndex(event.index);
  };
  return (
    <>
      {kinds.length > 1 && (
        <select aria-label="Kind of events" value={wanted} onChange={(event) => setWanted(event.target.value)}>
          <option value="">All kinds</option>
          {kinds.map((kind) => <option key={kind}>{kind}</option>)}
        </select>
      )}
      <VirtualList label="All events" count={shown.length} rowRem={ROW_REM} current={at < 0 ? null : at} moving
        renderRow={(row) => {
          const event = shown[row];
          return event && <EventRow event={event} isNow={event.index !== null && event.index === frame?.index} isChosen={event.number === chosen?.number} hasClip={clips.has(event.number)} onChoose={choose} />;
        }} />
      {chosen && <ChosenEvent key={chosen.number} event={chosen} clip={clips.get(chosen.number)} onClose={() => setChosen(null)} />}
    </>
  );
}

interface EventRowProps {
  event: EventPayload;
  /** True if the frame on the screen is the event's. */
  isNow: boolean;
  isChosen: boolean;
  hasClip: boolean;
  onChoose: (event: EventPayload) => void;
}

function EventRow({ event, isNow, isChosen, hasClip, onChoose }: EventRowProps) {
  const { kind, message, plugin, timestamp_ms: at } = event;
  return (
    <button type="button" className="event-row" aria-pressed={isChosen} data-now={isNow} title={`${kind}: ${message}`} onClick={() => onChoose(event)}>
      <time>{at === null ? "end" : clock(at)}</time>
      <b>{kind}</b>
      <span className="event-words">{message || plugin}</span>
      {hasClip && <><Icon name="film" /><span className="visually-hidden">with a clip</span></>}
    </button>
  );
}
