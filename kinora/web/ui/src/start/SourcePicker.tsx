import { useId, useState } from "react";
import { getMedia } from "../api/calls";
import { Choice } from "../ui/Choice";
import { bytes } from "../ui/format";
import { Icon } from "../ui/Icon";
import { Notice } from "../ui/Notice";
import { useLoaded } from "../ui/useLoaded";
import type { Draft, SourceKind } from "./draft";

interface SourcePickerProps {
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
}

const KINDS: readonly { value: SourceKind; label: string }[] = [
  { value: "demo", label: "Demo" },
  { value: "media", label: "Folder" },
  { value: "upload", label: "File" },
  { value: "url", label: "URL" },
];

/** A choice of the job's source. */
export function SourcePicker({ draft, onChange }: SourcePickerProps) {
  return (
    <div className="source-picker">
      <Choice legend="Kind of source" name="source" options={KINDS} value={draft.kind} onChange={(kind) => onChange({ kind })} />
      {draft.kind === "demo" && <p className="hint">A built-in clip: ten seconds with people, a cut and a dark part.</p>}
      {draft.kind === "media" && <MediaPicker path={draft.path} onChange={(path) => onChange({ path })} />}
      {draft.kind === "upload" && <FilePicker file={draft.file} sent={draft.fileName} onChange={(file) => onChange({ file })} />}
      {draft.kind === "url" && <UrlField url={draft.url} onChange={(url) => onChange({ url })} />}
    </div>
  );
}

const SHOWN = 200;
function MediaPicker({ path, onChange }: { path: string; onChange: (path: string) => void }) {
  const { value, error, reload } = useLoaded(getMedia);
  const [search, setSearch] = useState("");
  const wanted = search.toLowerCase();
  const files = (value?.files ?? []).filter(({ name }) => name.toLowerCase().includes(wanted));
  return (
    <div className="media-picker">
      {error !== null && <Notice tone="bad">{error} <button type="button" className="link" onClick={reload}>Try again</button></Notice>}
      {(value?.files.length ?? 0) > 8 && (
        <input type="search" aria-label="Search the media folder" placeholder="Search" value={search}
          onChange={(event) => setSearch(event.target.value)} />
      )}
      {value?.files.length === 0 && <p className="hint">The server's media folder is empty: choose a file instead.</p>}
      <fieldset className="media-list">
        <legend className="visually-hidden">Files of the media folder</legend>
        {files.slice(0, SHOWN).map((file) => (
          <label key={file.name}>
            <input type="radio" name="media" checked={file.name === path} onChange={() => onChange(file.name)} />
            <span className="file-name">{file.name}</span>
            <span className="hint">{bytes(file.bytes)}</span>
          </label>
        ))}
      </fieldset>
      {(files.length > SHOWN || value?.truncated) && <p className="hint">There are more files: search, or type the path under URL.</p>}
      {(value?.left_out ?? 0) > 0 && <p className="hint">{value?.left_out} not listed: links out of the folder, or names that are not Unicode.</p>}
      {path !== "" && !files.some(({ name }) => name === path) && <p className="hint">Chosen: {path}</p>}
    </div>
  );
}

interface FilePickerProps {
  file: File | null;
  /** The name of the file that was sent with the job to run again; empty if there was none. */
  sent: string;
  onChange: (file: File | null) => void;
}

function FilePicker({ file, sent, onChange }: FilePickerProps) {
  const id = useId();
  const empty = sent === "" ? "Drop a video or an image, or choose one" : `Choose ${sent} again: an uploaded file belongs to one job only`;
  return (
    <div className="drop-zone">
      <Icon name="upload" />
      <label htmlFor={id}>{file ? `${file.name} · ${bytes(file.size)}` : empty}</label>
      <input id={id} type="file" onChange={(event) => onChange(event.target.files?.[0] ?? null)} />
    </div>
  );
}

function UrlField({ url, onChange }: { url: string; onChange: (url: string) => void }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>URL</label>
      <input id={id} inputMode="url" value={url} placeholder="http://camera.local/video" aria-describedby={`${id}-note`}
        onChange={(event) => onChange(event.target.value)} />
      <p id={`${id}-note`} className="hint">A video, an image or a camera (MJPEG) on a host that this server is allowed to read from.</p>
    </div>
  );
}
