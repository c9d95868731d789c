import { useId, useState } from "react";
import { getMedia } from "../api/calls";
import { CameraPicker } from "../camera/CameraPicker";
import { Choice } from "../ui/Choice";
import { bytes, count } from "../ui/format";
import { Icon } from "../ui/Icon";
import { Notice } from "../ui/Notice";
import { useLoaded } from "../ui/useLoaded";
import type { Draft, SourceKind } from "./draft";
import { mediaEntries } from "./mediaEntries";

interface SourcePickerProps {
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
}

const KINDS: readonly { value: SourceKind; label: string }[] = [
  { value: "demo", label: "Demo" },
  { value: "media", label: "Folder" },
  { value: "upload", label: "File" },
  { value: "url", label: "URL" },
  { value: "camera", label: "Camera" },
];

/** A choice of the job's source. */
export function SourcePicker({ draft, onChange }: SourcePickerProps) {
  return (
    <div className="source-picker">
      <Choice legend="Kind of source" name="source" options={KINDS} value={draft.kind} onChange={(kind) => onChange({ kind })} />
      {draft.kind === "demo" && <p className="hint">A built-in clip: twelve seconds with people, a cut and a dark part.</p>}
      {draft.kind === "media" && <MediaPicker path={draft.path} onChange={(path) => onChange({ path })} />}
      {draft.kind === "upload" && <FilePicker files={draft.files} sent={draft.fileName} onChange={(files) => onChange({ files })} />}
      {draft.kind === "url" && <UrlField url={draft.url} onChange={(url) => onChange({ url })} />}
      {draft.kind === "camera" && <CameraPicker camera={draft.camera} onChange={(camera) => onChange({ camera })} />}
    </div>
  );
}

const SHOWN = 200;
function MediaPicker({ path, onChange }: { path: string; onChange: (path: string) => void }) {
  const { value, error, reload } = useLoaded(getMedia);
  const [search, setSearch] = useState("");
  const entries = mediaEntries(value?.files ?? [], search.trim());
  return (
    <div className="media-picker">
      {error !== null && <Notice tone="bad">{error} <button type="button" className="link" onClick={reload}>Try again</button></Notice>}
      {(value?.files.length ?? 0) > 8 && (
        <input type="search" aria-label="Search the media folder" placeholder="Search" value={search}
          onChange={(event) => setSearch(event.target.value)} />
      )}
      {value?.files.length === 0 && <p className="hint">The server's media folder is empty: choose a file instead.</p>}
      <fieldset className="media-list">
        <legend className="visually-hidden">Files and folders of images in the media folder</legend>
        {entries.slice(0, SHOWN).map(({ name, bytes: size, images }) => (
          <label key={`${name} ${images}`}>
            <input type="radio" name="media" checked={name === path} onChange={() => onChange(name)} />
            <Icon name={images === null ? "film" : "folder"} />
            <span className="file-name">{name}</span>
            <span className="hint">{images === null ? bytes(size) : count(images, "image")}</span>
          </label>
        ))}
      </fieldset>
      {(entries.length > SHOWN || value?.truncated) && <p className="hint">There are more files: search, or type the path under URL.</p>}
      {(value?.left_out ?? 0) > 0 && <p className="hint">{value?.left_out} not listed: links out of the folder, or names that are not Unicode.</p>}
      {path !== "" && !entries.some(({ name }) => name === path) && <p className="hint">Chosen: {path}</p>}
    </div>
  );
}

interface FilePickerProps {
  files: readonly File[];
  /** The name of the file that was sent with the job to run again; empty if there was none. */
  sent: string;
  onChange: (files: readonly File[]) => void;
}

function FilePicker({ files, sent, onChange }: FilePickerProps) {
  const id = useId();
  const empty = sent === "" ? "Drop videos or images, or choose some" : `Choose ${sent} again: an uploaded file belongs to one job only`;
  return (
    <div className="drop-zone">
      <Icon name="upload" />
      <label htmlFor={id}>{files.length === 0 ? empty : files.map((file) => `${file.name} · ${bytes(file.size)}`).join(", ")}</label>
      {files.length > 1 && <p className="hint">{files.length} files, a job for each.</p>}
      <input id={id} type="file" multiple onChange={(event) => onChange([...(event.target.files ?? [])])} />
    </div>
  );
}

function UrlField({ url, onChange }: { url: string; onChange: (url: string) => void }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>URL</label>
      <input id={id} inputMode="url" value={url} placeholder="rtsp://camera.local/stream1" aria-describedby={`${id}-note`}
        onChange={(event) => onChange(event.target.value)} />
      <p id={`${id}-note`} className="hint">A video, an image or a camera (RTSP, or MJPEG over HTTP) on a host that this server is allowed to read from.</p>
    </div>
  );
}
