import { useEffect } from "react";
import { getCameras } from "../api/calls";
import type { CameraStatus } from "../api/generated";
import { PUSHED } from "../api/sources";
import { Badge } from "../ui/Badge";
import { Icon } from "../ui/Icon";
import { Notice } from "../ui/Notice";
import { useLoaded } from "../ui/useLoaded";
import { browserCamera } from "./BrowserCamera";
import { BrowserPreview } from "./BrowserPreview";
import { pushing } from "./Pushing";

/** Cameras that nobody has looked at yet are asked about again soon. */
const [SOON_MS, LATER_MS] = [2000, 15_000];

interface CameraPickerProps {
  /** The source of the chosen camera; empty if none is. */
  camera: string;
  onChange: (source: string) => void;
}

/** A choice of this browser's own camera, and of those that the operator has placed. */
export function CameraPicker({ camera, onChange }: CameraPickerProps) {
  const { value, error, reload } = useLoaded(getCameras);
  const cameras = value?.cameras ?? [];
  const unknown = cameras.some(({ reachable }) => reachable === null);

  useEffect(() => {
    if (value === null) return;
    const timer = setTimeout(reload, unknown ? SOON_MS : LATER_MS);
    return () => clearTimeout(timer);
  }, [value, unknown, reload]);
  useEffect(() => turnOffUnlessSent, []);

  const chooseOwn = () => {
    onChange(PUSHED);
    if (browserCamera.get().step !== "on") void browserCamera.open();
  };
  return (
    <div className="camera-picker">
      {error !== null && <Notice tone="bad">{error} <button type="button" className="link" onClick={reload}>Try again</button></Notice>}
      <fieldset className="media-list camera-list">
        <legend className="visually-hidden">Cameras</legend>
        <label>
          <input type="radio" name="camera" checked={camera === PUSHED} onChange={chooseOwn} />
          <Icon name="camera" />
          <span className="file-name">This browser’s camera</span>
        </label>
        {cameras.map((each) => <Placed key={each.source} camera={each} chosen={each.source === camera} onChoose={() => onChange(each.source)} />)}
      </fieldset>
      {value !== null && cameras.length === 0 && <p className="hint">The operator of this server has placed no cameras: they stand in its kinora.toml, under [cameras.NAME].</p>}
      {camera !== PUSHED && camera !== "" && value !== null && !cameras.some(({ source }) => source === camera) && <p className="hint">Chosen: {camera}, which is not among them.</p>}
      {camera === PUSHED && <BrowserPreview />}
    </div>
  );
}

function turnOffUnlessSent(): void {
  if (!pushing.isOn) browserCamera.close();
}

function Placed({ camera, chosen, onChoose }: { camera: CameraStatus; chosen: boolean; onChoose: () => void }) {
  return (
    <label>
      <input type="radio" name="camera" checked={chosen} onChange={onChoose} />
      <Icon name="camera" />
      <span className="file-name">
        {camera.name}
        <span className="hint">{camera.in_use_by === null ? camera.message : "A job watches it now."}</span>
      </span>
      <Badge {...stateOf(camera)} />
    </label>
  );
}

function stateOf({ reachable, reason, in_use_by: job }: CameraStatus) {
  if (job !== null) return { text: "in use", tone: "info" } as const;
  if (reachable === null) return { text: "looking…", tone: "neutral" } as const;
  return reachable ? ({ text: "reachable", tone: "good" } as const) : ({ text: reason ?? "not reachable", tone: "bad" } as const);
}
