import { milliseconds } from "../ui/format";
import type { PluginTimes, Times } from "./times";

/** The way of an average frame through the plugins, one below the other on one scale: it waits for each, then is in it. */
export function PipelineChart({ times: { plugins, words, top } }: { times: Times }) {
  if (plugins.length === 0) return null;
  const total = plugins.reduce((sum, [, { run, queue }]) => sum + queue.mean + run.mean, 0);
  const begins = plugins.map((_, at) => plugins.slice(0, at).reduce((sum, [, { run, queue }]) => sum + queue.mean + run.mean, 0));
  return (
    <figure className="pipeline-chart" aria-label="The way of an average frame through the plugins">
      <figcaption>
        An average frame takes {milliseconds(total)} <span className="hint">{words}</span>
        <span className="legend"><i className="queue" /> waits <i className="run" /> runs</span>
      </figcaption>
      <ol>
        {plugins.map(([name, times], at) => <Step key={name} name={name} times={times} begin={begins[at] ?? 0} total={total} />)}
      </ol>
      <p className="hint">Below: the times of half and of 95% of the frames; all charts end at {milliseconds(top)}.</p>
    </figure>
  );
}

interface StepProps {
  name: string;
  times: PluginTimes;
  /** Milliseconds from the frame's beginning until it waits for this plugin. */
  begin: number;
  total: number;
}

function Step({ name, times: { run, queue }, begin, total }: StepProps) {
  const share = (ms: number) => `${((100 * ms) / Math.max(total, 0.001)).toFixed(2)}%`;
  return (
    <li>
      <span className="step-name">{name}</span>
      <span className="step-bar" aria-hidden="true">
        <i className="queue" style={{ insetInlineStart: share(begin), inlineSize: share(queue.mean) }} />
        <i className="run" style={{ insetInlineStart: share(begin + queue.mean), inlineSize: share(run.mean) }} />
      </span>
      <span className="step-words">
        <span className="visually-hidden">waits</span> {milliseconds(queue.mean)} + <span className="visually-hidden">runs</span> {milliseconds(run.mean)}
      </span>
    </li>
  );
}
