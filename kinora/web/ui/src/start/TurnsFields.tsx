import { useId, useState } from "react";
import type { PluginChoice } from "../api/types";
import { NO_TURN } from "./draft";

interface TurnsFieldsProps {
  choice: PluginChoice;
  onChange: (choice: PluginChoice) => void;
}

/** Fields to have a plugin work on fewer frames than the others, or in more processes. */
export function TurnsFields({ choice, onChange }: TurnsFieldsProps) {
  const id = useId();
  const { every, side = false, replicas, ...rest } = choice;
  const [text, setText] = useState(every ? String(every) : "");
  const [most, setMost] = useState(typeof replicas === "number" && replicas !== NO_TURN ? String(replicas) : "");
  const isUnclear = every === NO_TURN;
  const isMostUnclear = replicas === NO_TURN;
  const changed = (next: { every?: number | undefined; side?: boolean; replicas?: number | undefined }) => {
    const turns = { every, side, replicas, ...next };
    onChange({
      ...rest,
      ...(turns.every !== undefined && { every: turns.every }),
      ...(turns.side && { side: true }),
      ...(turns.replicas !== undefined && { replicas: turns.replicas }),
    });
  };
  const type = (next: string) => {
    setText(next);
    const turn = numberOf(next);
    changed({ every: turn === 1 ? undefined : turn });
  };
  const typeMost = (next: string) => {
    setMost(next);
    changed({ replicas: numberOf(next) });
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
          <input id={`${id}-side`} type="checkbox" checked={side} aria-describedby={`${id}-side-note`} onChange={(event) => changed({ side: event.target.checked })} />
          At the side
        </label>
        <p id={`${id}-side-note`} className="hint">It never slows the others: when it is free, it takes the newest frame.</p>
      </div>
      <div className="field">
        <label htmlFor={`${id}-replicas`}>Processes at most</label>
        <input id={`${id}-replicas`} inputMode="numeric" placeholder="auto" value={most} aria-invalid={isMostUnclear} aria-describedby={`${id}-replicas-note`}
          onChange={(event) => typeMost(event.target.value)} />
        <p id={`${id}-replicas-note`} className={isMostUnclear ? "bad-text" : "hint"}>
          {isMostUnclear ? "must be a whole number of 1 or more" : "More than 1 only for a plugin that is stateless."}
        </p>
      </div>
    </div>
  );
}

function numberOf(text: string): number | undefined {
  if (text.trim() === "") return undefined;
  const number = Number(text);
  return Number.isInteger(number) && number >= 1 ? number : NO_TURN;
}
