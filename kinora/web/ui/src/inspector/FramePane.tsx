import { useState, useSyncExternalStore } from "react";
import type { FrameData, Json } from "../api/generated";
import { colorOf } from "../draw/colors";
import { allDetections, detectionInWords, isHidden, listOf, type Detection } from "../draw/detections";
import { isMarked, markOf } from "../draw/Picked";
import { useViewOptions, type ViewOptions } from "../draw/viewOptions";
import { usePlayer } from "../player/PlayerContext";
import { clock, count } from "../ui/format";
import { OfPicture, saysOfPicture } from "./OfPicture";
import { useShownFrame } from "./useShownFrame";

/** The most detections in the list; all of them are in the JSON. */
const MAX_LISTED = 100;
/** The most characters of a frame's JSON that are shown. */
const MAX_JSON = 50_000;

/** The visible frame's detections, linked with their boxes in the picture, and its results as JSON. */
export function FramePane() {
  const frame = useShownFrame();
  return (
    <section className="frame-pane" aria-label="This frame">
      <h2>This frame {frame && <span className="hint">{frame.index} · {clock(frame.timestamp_ms)}</span>}</h2>
      {frame ? <Contents frame={frame} /> : <p className="hint">What is found in the frame on the screen is listed here.</p>}
    </section>
  );
}

function Contents({ frame }: { frame: FrameData }) {
  const options = useViewOptions();
  const all = allDetections(frame);
  const shown = all.filter((detection) => !isHidden(detection, options));
  const listed = shown.slice(0, MAX_LISTED);
  const finders = Object.keys(frame.results).filter((plugin) => listed.some((one) => one.plugin === plugin) || saysOfPicture(frame, plugin, options));
  return (
    <>
      {finders.map((plugin) => (
        <Found key={plugin} plugin={plugin} frame={frame} options={options} found={listed.filter((one) => one.plugin === plugin)} />
      ))}
      {all.length === 0 && finders.length === 0 && <p className="hint">No detections.</p>}
      {shown.length > listed.length && <p className="hint">And {count(shown.length - listed.length, "more", "more")}: see the JSON.</p>}
      {shown.length < all.length && <p className="hint">{count(all.length - shown.length, "detection")} hidden by your filter.</p>}
      <FrameJson frame={frame} />
    </>
  );
}

interface FoundProps {
  plugin: string;
  frame: FrameData;
  options: ViewOptions;
  found: readonly Detection[];
}

function Found({ plugin, frame, options, found }: FoundProps) {
  const { picked } = usePlayer();
  const { hovered, chosen } = useSyncExternalStore(picked.subscribe, picked.get);
  return (
    <div className="found-by">
      <h3>{plugin} {found.length > 0 && <span className="hint">{found.length}</span>}</h3>
      <OfPicture frame={frame} plugin={plugin} options={options} />
      <ul>
        {found.map((detection) => {
          const mark = markOf(detection, frame.index);
          const isChosen = isMarked(chosen, detection, frame.index);
          return (
            <li key={detection.at} data-hovered={isMarked(hovered, detection, frame.index)}>
              <button type="button" aria-pressed={isChosen} onClick={() => picked.choose(mark)}
                onPointerEnter={() => picked.hover(mark)} onPointerLeave={() => picked.hover(null)}
                onFocus={() => picked.hover(mark)} onBlur={() => picked.hover(null)}>
                <i className="dot" style={{ background: colorOf(detection, options.colorBy) }} />
                <b>{detection.kind}</b>
                {detection.trackId !== null && <span>#{detection.trackId}</span>}
                {detection.text !== null && <q>{detection.text}</q>}
                {detection.confidence !== null && <span className="share">{Math.round(100 * detection.confidence)}%</span>}
              </button>
              {isChosen && <Chosen frame={frame} detection={detection} />}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** Everything that is known of the chosen detection. */
function Chosen({ frame, detection }: { frame: FrameData; detection: Detection }) {
  const value = listOf(frame.results[detection.plugin], "detections")[detection.at] ?? null;
  return (
    <div className="chosen-detection">
      <dl>
        {detectionInWords(detection).map(([term, words]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      <JsonText label="The chosen detection as JSON" value={value} />
    </div>
  );
}

function FrameJson({ frame }: { frame: FrameData }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>JSON of this frame</summary>
      {open && <JsonText label="This frame as JSON" value={{ ...frame }} />}
    </details>
  );
}

function JsonText({ label, value }: { label: string; value: Json }) {
  const text = JSON.stringify(value, null, 1);
  const cut = text.length > MAX_JSON;
  return (
    // What scrolls must be reachable by keyboard.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <pre tabIndex={0} role="region" aria-label={label}>{cut ? `${text.slice(0, MAX_JSON)}\n… cut here: the downloads have all of it` : text}</pre>
  );
}
