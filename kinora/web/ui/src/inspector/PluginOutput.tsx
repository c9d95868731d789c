import { useState } from "react";
import { getLog } from "../api/calls";
import { inWords } from "../ui/inWords";
import { EndOfText } from "./PluginFaults";

/** The most characters shown; the text before them is left out. */
const MAX_SHOWN = 20_000;

/** What a plugin printed in the job, fetched whenever it is opened. */
export function PluginOutput({ jobId, plugin }: { jobId: string; plugin: string }) {
  const [text, setText] = useState<string | null>(null);
  const load = () => {
    setText(null);
    getLog(jobId, plugin).then(setText, (error: unknown) => setText(inWords(error)));
  };
  return (
    <details className="plugin-output" onToggle={(event) => event.currentTarget.open && load()}>
      <summary>Output</summary>
      {text === null ? <p className="hint">Loading…</p> : text === "" ? <p className="hint">It has printed nothing.</p> : <EndOfText label={`Output of ${plugin}`} text={cut(text)} />}
    </details>
  );
}

function cut(text: string): string {
  return text.length <= MAX_SHOWN ? text : `… the beginning is left out\n${text.slice(-MAX_SHOWN)}`;
}
