import type { Device } from "../api/generated";

interface DeviceSelectorProps {
  devices: readonly Device[];
  /** What `auto` would take. */
  best: string;
  value: string;
  onChange: (device: string) => void;
}

/** What a job shall run on; a device that is not to be had can be chosen, and says what happens then. */
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
        {value !== "auto" && !chosen && <option value={value}>{value} (not here)</option>}
      </select>
      <div id="device-note" className="hint">
        {chosen && !chosen.available ? (
          <p className="warn-text">The job will fall back to cpu: {chosen.reason}.</p>
        ) : (
          unavailable.map((device) => (
            <p key={device.id}>{device.id} is not available: {device.reason}.</p>
          ))
        )}
      </div>
    </div>
  );
}
