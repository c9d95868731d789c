import { useEffect, useRef, useState } from "react";
import { useRealtime } from "../realtime/RealtimeContext";
import { Button } from "../ui/Button";
import { inWords } from "../ui/inWords";
import { Menu } from "../ui/Menu";
import { Notice } from "../ui/Notice";
import { saveFrames, saveJob, saveVideo, type Export } from "./exports";
import { fileName } from "./fileName";

interface Format {
  label: string;
  suffix: string;
  note: string;
  save: (task: Export) => Promise<void>;
}

const FORMATS: readonly Format[] = [
  { label: "JSON", suffix: "json", note: "everything", save: saveJob },
  { label: "NDJSON", suffix: "ndjson", note: "a line for each frame", save: (task) => saveFrames("application/x-ndjson", task) },
  { label: "CSV", suffix: "csv", note: "a row for each detection", save: (task) => saveFrames("text/csv", task) },
  { label: "MP4", suffix: "mp4", note: "the video, drawn over", save: saveVideo },
];

/** What is being saved, by format: how far it is, in words. */
type Saving = Readonly<Record<string, string>>;

/** A menu to download a job's results as files, and as a video with the detections drawn in; several can be saved at once. */
export function Downloads({ jobId }: { jobId: string }) {
  const source = useRealtime((state) => state.job?.source ?? "");
  const [saving, setSaving] = useState<Saving>({});
  const [error, setError] = useState<string | null>(null);
  const aborts = useRef(new Map<string, AbortController>());

  useEffect(() => {
    const running = aborts.current;
    return () => running.forEach((abort) => abort.abort());
  }, []);

  const begin = ({ label, suffix, save }: Format) => {
    const abort = new AbortController();
    aborts.current.set(label, abort);
    const tell = (words: string) => setSaving((known) => ({ ...known, [label]: words }));
    setError(null);
    tell("…");
    save({ jobId, name: fileName(source, jobId, suffix), onProgress: tell, signal: abort.signal })
      .catch((fault: unknown) => abort.signal.aborted || setError(inWords(fault)))
      .finally(() => setSaving(({ [label]: _done, ...others }) => others));
  };

  return (
    <div className="downloads">
      {Object.entries(saving).map(([label, words]) => (
        <span key={label} className="saving">
          <span role="status">{label}: {words}</span>
          <Button kind="quiet" aria-label={`Cancel the ${label} download`} onClick={() => aborts.current.get(label)?.abort()}>Cancel</Button>
        </span>
      ))}
      <Menu label="Download" icon="download" busy={Object.keys(saving).length > 0}>
        {FORMATS.map((format) => (
          <Button key={format.label} kind="quiet" aria-label={format.label} busy={format.label in saving} onClick={() => begin(format)}>
            <strong>{format.label}</strong> <span className="hint">{format.note}</span>
          </Button>
        ))}
      </Menu>
      {error !== null && <Notice tone="bad">{error}</Notice>}
    </div>
  );
}
