import { useId } from "react";
import type { Draft } from "./draft";

interface RunOptionsFieldsProps {
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
}

/** Fields to choose the frames that are processed, and the time that plugins have. */
export function RunOptionsFields({ draft, onChange }: RunOptionsFieldsProps) {
  const id = useId();
  return (
    <details className="run-options">
      <summary>Frames and time</summary>
      <div className="field">
        <label htmlFor={`${id}-max`}>At most</label>
        <input id={`${id}-max`} inputMode="numeric" placeholder="all frames" value={draft.maxFrames}
          onChange={(event) => onChange({ maxFrames: event.target.value })} />
      </div>
      <div className="field">
        <label htmlFor={`${id}-stride`}>Every n-th</label>
        <input id={`${id}-stride`} inputMode="numeric" placeholder="1" value={draft.stride}
          onChange={(event) => onChange({ stride: event.target.value })} />
      </div>
      <div className="field">
        <label htmlFor={`${id}-policy`}>If plugins are too slow</label>
        <select id={`${id}-policy`} value={draft.policy} onChange={(event) => onChange({ policy: policyOf(event.target.value) })}>
          <option value="">files wait, live sources skip frames</option>
          <option value="wait">the source waits</option>
          <option value="latest">old frames are skipped</option>
        </select>
      </div>
      <div className="field">
        <label htmlFor={`${id}-timeout`}>Seconds a plugin has for a frame</label>
        <input id={`${id}-timeout`} inputMode="decimal" placeholder="10" value={draft.timeout}
          onChange={(event) => onChange({ timeout: event.target.value })} />
      </div>
      <div className="field">
        <label htmlFor={`${id}-prepare`}>Seconds a plugin has to get ready</label>
        <input id={`${id}-prepare`} inputMode="decimal" placeholder="120" value={draft.prepareTimeout}
          onChange={(event) => onChange({ prepareTimeout: event.target.value })} />
      </div>
    </details>
  );
}

function policyOf(value: string): Draft["policy"] {
  return value === "wait" || value === "latest" ? value : "";
}
