import { useEffect, useId, useRef, useSyncExternalStore } from "react";
import { MAX_FPS, useViewOptions, viewOptions } from "../draw/viewOptions";
import { Button } from "../ui/Button";
import { Notice } from "../ui/Notice";
import { browserCamera } from "./BrowserCamera";

/** What this browser's camera sees, and the choice of another one and of the pace. */
export function BrowserPreview() {
  const { step, why, stream, devices, deviceId } = useSyncExternalStore(browserCamera.subscribe, browserCamera.get);
  const { fps } = useViewOptions();
  const video = useRef<HTMLVideoElement>(null);
  const id = useId();
  useEffect(() => {
    if (video.current) video.current.srcObject = stream;
  }, [stream]);
  return (
    <div className="browser-preview">
      {why !== null && <Notice tone="warn">{why}</Notice>}
      {step !== "on" && (
        <Button icon="camera" busy={step === "asking"} onClick={() => void browserCamera.open()}>
          {step === "asking" ? "The browser asks you…" : "Turn the camera on"}
        </Button>
      )}
      {step === "on" && (
        <>
          <video ref={video} muted autoPlay playsInline aria-label="What this browser’s camera sees" />
          {devices.length > 1 && (
            <div className="field">
              <label htmlFor={`${id}-device`}>Which camera</label>
              <select id={`${id}-device`} value={deviceId} onChange={(event) => void browserCamera.open(event.target.value)}>
                {devices.map((device) => <option key={device.id} value={device.id}>{device.label}</option>)}
              </select>
            </div>
          )}
          <div className="field">
            <label htmlFor={`${id}-pace`}>Pictures sent a second: at most {fps}</label>
            <input id={`${id}-pace`} type="range" min={1} max={MAX_FPS} value={fps} aria-valuetext={`at most ${fps} pictures a second`}
              onChange={(event) => viewOptions.set({ fps: event.target.valueAsNumber })} />
          </div>
          <p className="hint">Nothing is sent before you press Start, and then only to this server.</p>
        </>
      )}
    </div>
  );
}
