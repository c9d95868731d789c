import { useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import type { PluginSummary } from "../api/generated";
import { changedOptions } from "../api/optionSchema";
import type { PluginChoice } from "../api/types";
import { Badge } from "../ui/Badge";
import { IconButton } from "../ui/Button";
import { focusNeighbour } from "../ui/focusNeighbour";
import { Icon } from "../ui/Icon";
import { OptionsForm } from "./OptionsForm";
import { moved } from "./reorder";
import { TurnsFields } from "./TurnsFields";

interface PluginPickerProps {
  plugins: readonly PluginSummary[];
  chosen: readonly PluginChoice[];
  onChange: (chosen: PluginChoice[]) => void;
}

/** A choice of the plugins that a frame goes through, with their order and options. */
export function PluginPicker({ plugins, chosen, onChange }: PluginPickerProps) {
  const [said, setSaid] = useState("");
  const list = useRef<HTMLOListElement>(null);
  const [dragged, setDragged] = useState<string | null>(null);
  const others = plugins.filter(({ name, health }) => health !== "broken" && !chosen.some((choice) => choice.name === name));

  const move = (from: number, to: number) => {
    const name = chosen[from]?.name;
    if (name === undefined || to < 0 || to >= chosen.length) return;
    onChange(moved(chosen, from, to));
    setSaid(`${name} is now number ${to + 1} of ${chosen.length}.`);
  };
  const onGrab = (event: PointerEvent, name: string) => {
    // The list captures the pointer, because the grip itself moves.
    list.current?.setPointerCapture(event.pointerId);
    setDragged(name);
  };
  const onPointerMove = (event: PointerEvent) => {
    const from = chosen.findIndex(({ name }) => name === dragged);
    if (from < 0) return;
    const others = [...(list.current?.children ?? [])].toSpliced(from, 1);
    const to = others.filter((item) => middleOf(item) < event.clientY).length;
    if (to !== from) move(from, to);
  };

  return (
    <div className="plugin-picker">
      <ol ref={list} aria-label="Chosen plugins, in order" onPointerMove={onPointerMove} onLostPointerCapture={() => setDragged(null)}>
        {chosen.map((choice, index) => (
          <li key={choice.name} className={choice.name === dragged ? "dragged" : undefined}>
            <ChosenPlugin choice={choice} plugin={plugins.find(({ name }) => name === choice.name)}
              onGrab={(event) => onGrab(event, choice.name)} onMove={(step) => move(index, index + step)}
              onRemove={() => onChange(chosen.toSpliced(index, 1))}
              onChange={(next) => onChange(chosen.with(index, next))} />
          </li>
        ))}
      </ol>
      {chosen.length === 0 && <p className="hint">Add at least one plugin.</p>}
      <div className="chips" role="group" aria-label="Add a plugin">
        {others.map(({ name, health, metadata }) => (
          <button key={name} type="button" className="chip" title={metadata?.description}
            onClick={(event) => {
              focusNeighbour(event.currentTarget);
              onChange([...chosen, { name, options: {} }]);
            }}>
            <Icon name="plus" /> {name} {health !== "ok" && <Badge text={health} />}
          </button>
        ))}
      </div>
      <NotOffered plugins={plugins} />
      <p className="visually-hidden" role="status">{said}</p>
    </div>
  );
}

/** Names the plugins that cannot be chosen, and leads to the reasons. */
function NotOffered({ plugins }: { plugins: readonly PluginSummary[] }) {
  const names = plugins.filter(({ health }) => health === "broken").map(({ name }) => name);
  if (names.length === 0) return null;
  return <p className="hint">Not available: {names.join(", ")}. <a href="#/plugins">See why</a></p>;
}

function middleOf(element: Element): number {
  const { top, height } = element.getBoundingClientRect();
  return top + height / 2;
}

interface ChosenPluginProps {
  choice: PluginChoice;
  plugin: PluginSummary | undefined;
  onGrab: (event: PointerEvent) => void;
  onMove: (step: number) => void;
  onRemove: () => void;
  onChange: (choice: PluginChoice) => void;
}

function ChosenPlugin({ choice, plugin, onGrab, onMove, onRemove, onChange }: ChosenPluginProps) {
  const [open, setOpen] = useState(false);
  const { name, options, every, side = false, replicas } = choice;
  const schema = plugin?.metadata?.config_schema ?? null;
  const changed = changedOptions(schema, options).length + Number(every !== undefined) + Number(side) + Number(replicas !== undefined);
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    onMove(step);
  };
  return (
    <>
      <div className="chosen">
        <button type="button" className="grip" aria-label={`Move ${name}: arrow keys up and down, or drag`}
          onPointerDown={onGrab} onKeyDown={onKeyDown}>
          <Icon name="grip" />
        </button>
        <span className="chosen-name">{name}</span>
        {plugin && plugin.health !== "ok" && <Badge text={plugin.health} />}
        {changed > 0 && <span className="hint">{changed} set</span>}
        <IconButton icon="options" label={`Options of ${name}`} aria-expanded={open} onClick={() => setOpen(!open)} />
        <IconButton icon="close" label={`Remove ${name}`} onClick={(event) => {
          focusNeighbour(event.currentTarget.closest("li"));
          onRemove();
        }} />
      </div>
      {plugin?.health === "broken" && <p className="bad-text">{plugin.reason}</p>}
      {!plugin && <p className="bad-text">This plugin is no longer on the server: remove it.</p>}
      {open && (
        <>
          <OptionsForm schema={schema} options={options} onChange={(next) => onChange({ ...choice, options: next })} />
          <TurnsFields choice={choice} onChange={onChange} />
        </>
      )}
    </>
  );
}
