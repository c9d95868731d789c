import { getExtended, getVideo, streamFrames } from "../api/calls";
import { Button } from "../ui/Button";
import { Menu } from "../ui/Menu";
import { Notice } from "../ui/Notice";
import { useAction } from "../ui/useAction";
import { saveBlob } from "./saveBlob";

/** A menu to download a job's results as files, and as a video with the detections drawn in. */
export function Downloads({ jobId }: { jobId: string }) {
  const { busy, error, run } = useAction();
  const name = `kinora-${jobId.slice(0, 8)}`;
  const formats: { label: string; note: string; load: () => Promise<void> }[] = [
    { label: "JSON", note: "everything", load: async () => saveBlob(await wholeJob(jobId), `${name}.json`) },
    { label: "NDJSON", note: "a line for each frame", load: async () => saveBlob(await frames(jobId, "application/x-ndjson"), `${name}.ndjson`) },
    { label: "CSV", note: "a row for each detection", load: async () => saveBlob(await frames(jobId, "text/csv"), `${name}.csv`) },
    { label: "MP4", note: "the video, drawn over", load: async () => saveBlob(await getVideo(jobId), `${name}.mp4`) },
  ];
  return (
    <div className="downloads">
      <Menu label="Download" icon="download" busy={busy !== null}>
        {formats.map(({ label, note, load }) => (
          <Button key={label} kind="quiet" aria-label={label} busy={busy === label} disabled={busy !== null} onClick={() => run(label, load)}>
            <strong>{label}</strong> <span className="hint">{note}</span>
          </Button>
        ))}
      </Menu>
      {error !== null && <Notice tone="bad">{error}</Notice>}
    </div>
  );
}

async function frames(jobId: string, type: "application/x-ndjson" | "text/csv"): Promise<Blob> {
  return (await streamFrames(jobId, type, -1)).blob();
}

/** The job's state with all its frames as JSON, joined from pieces so that the frames need not be parsed. */
async function wholeJob(jobId: string): Promise<Blob> {
  const { frames: _none, ...state } = await getExtended(jobId);
  const lines = await (await frames(jobId, "application/x-ndjson")).text();
  const list = lines.trimEnd().replaceAll("\n", ",\n");
  const head = JSON.stringify(state, null, 1).slice(0, -2);
  return new Blob([head, ',\n "frames": [\n', list, "\n]}\n"], { type: "application/json" });
}
