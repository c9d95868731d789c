import { useEffect, useRef, useState } from "react";
import { exportUrl, type ExportFormat } from "../api/calls";
import { Button } from "../ui/Button";
import { inWords } from "../ui/inWords";
import { Menu } from "../ui/Menu";
import { Notice } from "../ui/Notice";
import { saveIfMade, saveVideo } from "./exports";

const FORMATS: readonly { label: string; format: ExportFormat; note: string }[] = [
  { label: "JSON", format: "json", note: "everything" },
  { label: "NDJSON", format: "ndjson", note: "a line for each frame" },
  { label: "CSV", format: "csv", note: "a row for each detection" },
  { label: "COCO", format: "coco", note: "boxes, masks and poses" },
  { label: "YOLO", format: "yolo", note: "labels to train with" },
  { label: "MOT", format: "mot", note: "tracks, to be scored" },
  { label: "CVAT", format: "cvat", note: "tracks, to be corrected" },
];

/** A menu to download a job's results as files, and as a video with the detections drawn in, which the server makes first. */
export function Downloads({ jobId }: { jobId: string }) {
  const [making, setMaking] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const abort = useRef<AbortController | null>(null);

  useEffect(() => () => abort.current?.abort(), []);

  const begin = () => {
    const { signal } = (abort.current = new AbortController());
    setError(null);
    saveVideo({ jobId, onProgress: setMaking, signal })
      .catch((fault: unknown) => signal.aborted || setError(inWords(fault)))
      .finally(() => setMaking(null));
  };
  const saveParquet = () => {
    setError(null);
    saveIfMade(jobId, "parquet").catch((fault: unknown) => setError(inWords(fault)));
  };

  return (
    <div className="downloads">
      {making !== null && (
        <span className="saving">
          <span role="status">MP4: {making}</span>
          <Button kind="quiet" aria-label="Cancel the MP4 download" onClick={() => abort.current?.abort()}>Cancel</Button>
        </span>
      )}
      <Menu label="Download" icon="download" busy={making !== null}>
        {FORMATS.map(({ label, format, note }) => (
          <a key={format} className="button quiet" href={exportUrl(jobId, format)} download>
            <strong>{label}</strong> <span className="hint">{note}</span>
          </a>
        ))}
        <Button kind="quiet" onClick={saveParquet}>
          <strong>Parquet</strong> <span className="hint">the rows of CSV, with types</span>
        </Button>
        <Button kind="quiet" busy={making !== null} onClick={begin}>
          <strong>MP4</strong> <span className="hint">the video, drawn over</span>
        </Button>
      </Menu>
      {error !== null && <Notice tone="bad">{error}</Notice>}
    </div>
  );
}
