import { useEffect, type RefObject } from "react";
import { MAX_FPS, useViewOptions, viewOptions, type ViewSwitch } from "../draw/viewOptions";
import { WarningLine } from "../inspector/WarningLine";
import { useRealtimeContext } from "../realtime/RealtimeContext";
import { Toggle } from "../ui/Button";
import type { IconName } from "../ui/Icon";
import { Filters } from "./Filters";
import { FullscreenButton } from "./FullscreenButton";

const SWITCHES: readonly { name: ViewSwitch; icon: IconName; label: string }[] = [
  { name: "overlay", icon: "layers", label: "Overlay" },
  { name: "boxes", icon: "boxes", label: "Boxes" },
  { name: "labels", icon: "label", label: "Labels" },
  { name: "pitch", icon: "pitch", label: "Lines and key points" },
  { name: "radar", icon: "radar", label: "Map of the tracks" },
];

/** Switches for what is drawn over the picture, and a slider for how often it changes. */
export function ControlPanel({ stage }: { stage: RefObject<HTMLElement | null> }) {
  const options = useViewOptions();
  const { setPace } = useRealtimeContext();

  useEffect(() => setPace(options.fps), [setPace, options.fps]);

  return (
    <div className="control-panel" role="group" aria-label="View">
      {SWITCHES.map(({ name, icon, label }) => (
        <Toggle key={name} id={`toggle-${name}`} icon={icon} label={label} on={options[name]}
          disabled={name !== "overlay" && !options.overlay} onChange={(on) => viewOptions.set({ [name]: on })} />
      ))}
      <Filters />
      <WarningLine />
      <label className="fps" htmlFor="fps-slider" title="Maximum frames per second">
        <input id="fps-slider" type="range" min={1} max={MAX_FPS} value={options.fps}
          aria-valuetext={`at most ${options.fps} frames per second`}
          onChange={(event) => viewOptions.set({ fps: event.target.valueAsNumber })} />
        <span>≤ {options.fps} fps</span>
      </label>
      <FullscreenButton stage={stage} />
    </div>
  );
}
