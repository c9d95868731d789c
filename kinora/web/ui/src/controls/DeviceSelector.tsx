import type { Device } from "../api/generated";
import { count } from "../ui/format";

interface DeviceSelectorProps {
  devices: readonly Device[];
  /** The device that `auto` stands for. */
  best: string;
  value: string;
  onChange: (device: string) => void;
}

/** A choice of the device for a job. An unavailable one can be chosen too, with a note of what happens then. */
export function DeviceSelector({ devices, best, value, onChange }: DeviceSelectorProps) {
  const chosen = devices.find((device) => device.id === value);
  const unavailable = devices.filter((device) => !device.available);
  return (
    <div className="field">
      <label htmlFor="device-selector">Device</label>
      <select id="device-selector" value={value} onChange={(event) => onChange(event.target.value)}
        aria-describedby="device-note">
        <option value="auto">Best available ({best})</option>
        {devices.map((device) => (
          <option key={device.id} value={device.id}>
            {device.id}: {device.name}{device.available ? "" : " (not available)"}
          </option>
        ))}
        {value !== "auto" && !chosen && <option value={value}>{value} (not on this server)</option>}
      </select>
      <div id="device-note" className="hint">
        {chosen && !chosen.available ? (
          <p className="warn-text">The job will run on cpu instead: {chosen.reason}.</p>
        ) : (
          unavailable.length > 0 && (
            <details>
              <summary>{count(unavailable.length, "device")} not available</summary>
              {unavailable.map((device) => (
                <p key={device.id}>{device.id} is not available: {device.reason}.</p>
              ))}
            </details>
          )
        )}
      </div>
    </div>
  );
}
