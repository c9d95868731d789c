import { useState, type ReactNode } from "react";
import { getPlugin } from "../api/calls";
import type { JobSummary, PluginDetail, PluginMetadata, PluginSummary } from "../api/generated";
import { propertiesOf, rangeInWords } from "../api/optionSchema";
import { Badge } from "../ui/Badge";
import { count, moment } from "../ui/format";
import { inWords } from "../ui/inWords";
import { jobLink } from "../ui/useRoute";
import { installCommand } from "./installCommand";
import { PluginPicture } from "./PluginPicture";

interface PluginArticleProps {
  plugin: PluginSummary;
  /** The newest job in which the plugin found something; null if there is none. */
  job?: JobSummary | null;
}

export function PluginArticle({ plugin, job = null }: PluginArticleProps) {
  const { name, health, metadata, reason, origin, failures } = plugin;
  const command = installCommand(plugin);
  return (
    <article className={`plugin-article ${command === null ? health : "missing"}`} aria-label={name}>
      <header>
        <h2>{name}</h2>
        {metadata && <span className="hint">{metadata.version}</span>}
        {command === null ? <Badge text={health} /> : <Badge text="not installed" tone="neutral" />}
      </header>
      {metadata && <PluginPicture metadata={metadata} kinds={kindsOf(metadata)} job={job} />}
      {metadata && metadata.description !== "" && <p>{metadata.description}</p>}
      {command !== null && <p>Not installed: <code>{command}</code></p>}
      {reason !== null && command === null && <p className="bad-text">{reason}</p>}
      {health === "broken" && command === null && <Details name={name} summary="Traceback" render={(detail) => <Trace plugin={name} text={detail.traceback} />} />}
      {failures > 0 && <Details name={name} summary={`Last failure, of ${count(failures, "failure")}`} render={(detail) => <LastError detail={detail} />} />}
      {metadata && <Gives metadata={metadata} />}
      {metadata && <Options metadata={metadata} />}
      <footer>
        {metadata?.devices.map((device) => <span key={device} className="tag">{device}</span>)}
        <code title={origin.location}>{origin.location}</code>
      </footer>
    </article>
  );
}

const MEANINGS: Record<string, string> = {
  detections: "boxes with a class, drawn on the picture",
  tracking: "boxes that keep their number from frame to frame",
  tracks: "boxes that keep their number from frame to frame",
  masks: "the pixels of each thing, filled on the picture",
  keypoints: "points of each thing, joined by bones",
  classes: "classes of the whole picture",
  polygons: "polygons, drawn on the picture",
  lines: "lines, drawn on the picture",
  points: "points, drawn on the picture",
  events: "events, listed and marked on the timeline",
  metrics: "numbers for each frame, plotted over time",
  text: "texts with their place",
  colors: "the main colours",
  warnings: "warnings about parts of the video",
  partial_results: "results before the job has ended",
  scenes: "cuts, and a list of scenes at the end",
};

const kindsOf = ({ capabilities, outputs }: PluginMetadata) => (capabilities.length > 0 ? capabilities : outputs);

function Gives({ metadata }: { metadata: PluginMetadata }) {
  const given = kindsOf(metadata);
  if (given.length === 0) return null;
  return (
    <dl className="gives" aria-label="What it gives">
      {given.map((name) => (
        <div key={name}>
          <dt><span className="tag">{name}</span></dt>
          {MEANINGS[name] !== undefined && <dd className="hint">{MEANINGS[name]}</dd>}
        </div>
      ))}
    </dl>
  );
}

function Options({ metadata }: { metadata: PluginMetadata }) {
  const properties = propertiesOf(metadata.config_schema);
  if (properties.length === 0) return null;
  return (
    <details>
      <summary>{count(properties.length, "option")}</summary>
      <dl className="option-list">
        {properties.map(([name, schema]) => (
          <div key={name}>
            <dt><code>{name}</code></dt>
            <dd>{schema.description}</dd>
            <dd className="hint">{rangeInWords(schema)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

interface DetailsProps {
  name: string;
  summary: string;
  render: (detail: PluginDetail) => ReactNode;
}

/** Details of a plugin that are fetched when they are opened, as the list does not contain them. */
function Details({ name, summary, render }: DetailsProps) {
  const [detail, setDetail] = useState<PluginDetail | null>(null);
  const [error, setError] = useState<string | null>(null);
  const load = () => {
    getPlugin(name).then(setDetail, (fault: unknown) => setError(inWords(fault)));
  };
  return (
    <details onToggle={(event) => event.currentTarget.open && load()}>
      <summary>{summary}</summary>
      {error !== null && <p className="bad-text">{error}</p>}
      {detail && render(detail)}
    </details>
  );
}

function LastError({ detail: { name, last_error: error } }: { detail: PluginDetail }) {
  if (error === null) return <p className="hint">Nothing more is known.</p>;
  return (
    <>
      <p className="bad-text">{error.message}</p>
      <p className="hint">
        {moment(error.at)}
        {error.frame_id !== null && `, on ${error.frame_id}`}
        {error.job_id !== null && <>, in <a href={jobLink(error.job_id)}>this job</a></>}
      </p>
      {error.traceback !== null && <Trace plugin={name} text={error.traceback} />}
    </>
  );
}

function Trace({ plugin, text }: { plugin: string; text: string | null }) {
  return (
    // What scrolls must be reachable by keyboard, or the keyboard could not scroll it.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <pre tabIndex={0} role="region" aria-label={`Traceback of ${plugin}`}>{text ?? "There is no traceback."}</pre>
  );
}
