import { useId } from "react";
import type { Draft } from "./draft";

interface PlaceFieldsProps {
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
}

/** Fields for what an agent must have left for the job. */
export function PlaceFields({ draft, onChange }: PlaceFieldsProps) {
  const id = useId();
  return (
    <details className="run-options">
      <summary>Where it runs</summary>
      <p className="hint">Agents with less left are passed over. A server without agents looks at none of it.</p>
      <div className="field">
        <label htmlFor={`${id}-cpus`}>Cores</label>
        <input id={`${id}-cpus`} inputMode="decimal" placeholder="1" value={draft.cpus}
          onChange={(event) => onChange({ cpus: event.target.value })} />
      </div>
      <div className="field">
        <label htmlFor={`${id}-gpus`}>GPUs</label>
        <input id={`${id}-gpus`} inputMode="decimal" placeholder="0" value={draft.gpus}
          onChange={(event) => onChange({ gpus: event.target.value })} />
      </div>
      <div className="field">
        <label htmlFor={`${id}-resources`}>Other resources</label>
        <input id={`${id}-resources`} placeholder="camera_card=1, licence=2" value={draft.resources}
          onChange={(event) => onChange({ resources: event.target.value })} />
      </div>
    </details>
  );
}
