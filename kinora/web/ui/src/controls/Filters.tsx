import { useEffect, useRef, useState } from "react";
import { COLOR_BY } from "../draw/colors";
import { useViewOptions, viewOptions } from "../draw/viewOptions";
import { usePlayer, usePlayerState } from "../player/PlayerContext";
import { IconButton } from "../ui/Button";
import { Choice } from "../ui/Choice";

const CORNERS = { "top left": { x: 0, y: 0 }, "top right": { x: 1, y: 0 }, "bottom left": { x: 0, y: 1 }, "bottom right": { x: 1, y: 1 } };

/** A button that opens the choice of what is drawn: plugins, classes, confidence and colours. */
export function Filters() {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const { hidden, confidence } = useViewOptions();
  const active = hidden.size + (confidence > 0 ? 1 : 0);

  useEffect(() => {
    if (!open) return;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      box.current?.querySelector("button")?.focus();
    };
    const onPointerDown = ({ target }: PointerEvent) => {
      if (!box.current?.contains(target as Node)) setOpen(false);
    };
    document.addEventListener("keydown", onKeyDown);
    document.addEventListener("pointerdown", onPointerDown);
    return () => {
      document.removeEventListener("keydown", onKeyDown);
      document.removeEventListener("pointerdown", onPointerDown);
    };
  }, [open]);

  return (
    <div className="filters" ref={box}>
      <IconButton id="toggle-filters" icon="options" label="Choose what is drawn" aria-expanded={open} onClick={() => setOpen(!open)} />
      {active > 0 && <button type="button" className="link" onClick={() => viewOptions.set({ hidden: new Set(), confidence: 0 })}>Show all again</button>}
      {open && <Panel />}
    </div>
  );
}

function Panel() {
  const player = usePlayer();
  usePlayerState(player);
  const { hidden, confidence, colorBy, radar, radarAt } = useViewOptions();
  const found = player.timeline.kinds.all;
  const corner = Object.entries(CORNERS).find(([, { x, y }]) => x === radarAt.x && y === radarAt.y)?.[0];
  return (
    <div className="filter-panel" role="group" aria-label="What is drawn">
      <label>
        Confidence from <span>{Math.round(100 * confidence)}%</span>
        <input type="range" min={0} max={100} value={Math.round(100 * confidence)} aria-valuetext={`${Math.round(100 * confidence)}%`}
          onChange={(event) => viewOptions.set({ confidence: event.target.valueAsNumber / 100 })} />
      </label>
      <span>Colours by</span>
      <Choice legend="Colours by" name="color-by" value={colorBy} options={COLOR_BY.map((value) => ({ value, label: value }))}
        onChange={(value) => viewOptions.set({ colorBy: value })} />
      {radar && (
        <label>
          Map
          <select value={corner ?? "moved"} onChange={(event) => viewOptions.set({ radarAt: CORNERS[event.target.value as keyof typeof CORNERS] })}>
            {corner === undefined && <option value="moved">where you moved it</option>}
            {Object.keys(CORNERS).map((name) => <option key={name}>{name}</option>)}
          </select>
        </label>
      )}
      {found.length === 0 && <p className="hint">The plugins have found nothing yet.</p>}
      {found.map(([plugin, kinds]) => (
        <fieldset key={plugin}>
          <legend className="visually-hidden">{plugin}</legend>
          <Shown name={plugin} label={plugin} hidden={hidden} />
          {(kinds.length > 1 || kinds[0] !== plugin) && kinds.map((kind) => (
            <Shown key={kind} name={`${plugin}/${kind}`} label={kind} hidden={hidden} disabled={hidden.has(plugin)} />
          ))}
        </fieldset>
      ))}
    </div>
  );
}

interface ShownProps {
  /** The name under which it is hidden. */
  name: string;
  label: string;
  hidden: ReadonlySet<string>;
  disabled?: boolean;
}

function Shown({ name, label, hidden, disabled = false }: ShownProps) {
  const toggle = () => {
    const next = new Set(hidden);
    if (!next.delete(name)) next.add(name);
    viewOptions.set({ hidden: next });
  };
  return (
    <label className="shown">
      <input type="checkbox" checked={!disabled && !hidden.has(name)} disabled={disabled} onChange={toggle} /> {label}
    </label>
  );
}
