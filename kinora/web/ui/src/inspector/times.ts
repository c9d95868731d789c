/** The times of a job's plugins, over the last frames if those were seen, otherwise over the whole job.
 *
 * A plugin whose results are all null sends no frames. While others do, its times are those of the whole job, and the words say so.
 */
import type { StageState, TimingSummary } from "../api/generated";
import { TimingHistory } from "../realtime/TimingHistory";
import { count } from "../ui/format";

type Figures = Pick<TimingSummary, "mean" | "p50" | "p95">;

export interface PluginTimes {
  /** The frames that the figures are about. */
  words: string;
  run: Figures;
  /** The time for which a frame waited for the plugin. */
  queue: Figures;
}

export interface Times {
  /** The frames that the figures are about, such as `last 120 frames; quiet: whole job`. */
  words: string;
  /** True if they are the last frames, whose single times are known too. */
  recent: boolean;
  /** The plugins with times, in the order of the pipeline. */
  plugins: [name: string, times: PluginTimes][];
  /** The milliseconds at the end of the scale that all charts share. */
  top: number;
}

const HEADROOM = 1.1;
const LEAST_TOP_MS = 1;
const SERVER_FRAMES = 1000;

export function timesOf(names: readonly string[], histories: ReadonlyMap<string, TimingHistory>, stages: Readonly<Record<string, StageState>>): Times {
  const seen = Math.max(0, ...names.map((name) => histories.get(name)?.length ?? 0));
  const last = `last ${count(seen, "frame")}`;
  const plugins = names.flatMap((name): [string, PluginTimes][] => {
    const times = ofHistory(histories.get(name), last) ?? ofJob(stages[name]);
    return times ? [[name, times]] : [];
  });
  const longest = Math.max(LEAST_TOP_MS, ...plugins.map(([, { run, queue }]) => run.p95 + queue.p95));
  const whole = plugins.filter(([, { words }]) => words !== last).map(([name]) => name);
  return { words: allInWords(seen > 0 ? last : null, whole, stages), recent: seen > 0, plugins, top: HEADROOM * longest };
}

/** What the figures are about: the `last` frames, if those were seen, and for the plugins in `whole` all frames. */
function allInWords(last: string | null, whole: readonly string[], stages: Readonly<Record<string, StageState>>): string {
  const words = wholeInWords(whole.map((name) => stages[name]?.frames ?? 0));
  if (last === null) return words;
  return whole.length === 0 ? last : `${last}; ${whole.join(", ")}: ${words}`;
}

/** The server keeps single times only of the last frames, for the percentiles; its means are of all. */
function wholeInWords(frames: readonly number[]): string {
  return Math.max(0, ...frames) <= SERVER_FRAMES ? "whole job" : `mean of the whole job; shares of its last ${SERVER_FRAMES.toLocaleString("en")} frames`;
}

function ofHistory(history: TimingHistory | undefined, words: string): PluginTimes | null {
  if (!history || history.length === 0) return null;
  return { words, run: history.figures("runMs"), queue: history.figures("queueMs") };
}

function ofJob(stage: StageState | undefined): PluginTimes | null {
  return stage?.run_ms && stage.queue_ms && stage.frames > 0 ? { words: wholeInWords([stage.frames]), run: stage.run_ms, queue: stage.queue_ms } : null;
}
