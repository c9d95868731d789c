import { useId, useState } from "react";
import type { PluginChoice } from "../api/types";
import { NO_TURN } from "./draft";

interface TurnsFieldsProps {
  choice: PluginChoice;
  onChange: (choice: PluginChoice) => void;
}

/** Fields to have a plugin work on fewer frames than the others. */
export function TurnsFields({ choice, onChange }: TurnsFieldsProps) {
  const id = useId();
  const { every, side = false, ...rest } = choice;
  const [text, setText] = useState(every ? String(every) : "");
  const isUnclear = every === NO_TURN;
  const changed = (turn: number | undefined, beside: boolean) =>
    onChange({ ...rest, ...(turn !== undefined && { every: turn }), ...(beside && { side: true }) });
  const type = (next: string) => {
    setText(next);
    changed(turnOf(next), side);
  };
  return (
    <div className="options-form">
      <div className="field">
        <label htmlFor={`${id}-every`}>Every n-th frame</label>
        <input id={`${id}-every`} inputMode="numeric" placeholder="1" value={text} aria-invalid={isUnclear} aria-describedby={`${id}-note`}
          onChange={(event) => type(event.target.value)} />
        <p id={`${id}-note`} className={isUnclear ? "bad-text" : "hint"}>{isUnclear ? "must be a whole number of 1 or more" : "The other frames pass it."}</p>
      </div>
      <div className="field">
        <label className="check" htmlFor={`${id}-side`}>
          <input id={`${id}-side`} type="checkbox" checked={side} aria-describedby={`${id}-side-note`} onChange={(event) => changed(every, event.target.checked)} />
          At the side
        </label>
        <p id={`${id}-side-note`} className="hint">It never slows the others: when it is free, it takes the newest frame.</p>
      </div>
    </div>
  );
}

function turnOf(text: string): number | undefined {
  if (text.trim() === "" || text.trim() === "1") return undefined;
  const turn = Number(text);
  return Number.isInteger(turn) && turn >= 1 ? turn : NO_TURN;
}
