import { useEffect } from "react";
import { SPEEDS } from "../controls/SpeedChoice";
import { viewOptions, type ViewSwitch } from "../draw/viewOptions";
import type { Player } from "../player/Player";
import { onKeys } from "../ui/keys";

const FAR = 10;

/** The player's keys, as `KEYS` in KeyHelp describes them. */
export function usePlayerKeys(player: Player, onHelp: () => void): void {
  useEffect(() => {
    const toggle = (name: ViewSwitch) => () => viewOptions.set({ [name]: !viewOptions.get()[name] });
    return onKeys({
      " ": () => player.toggle(),
      ArrowLeft: () => player.step(-1),
      ArrowRight: () => player.step(1),
      "Shift+ArrowLeft": () => player.step(-FAR),
      "Shift+ArrowRight": () => player.step(FAR),
      Home: () => player.seek(0),
      End: () => player.seek(player.timeline.length - 1),
      j: () => player.shuttle(-1),
      k: () => player.freeze(),
      l: () => player.shuttle(1),
      d: () => player.leap("detection", 1),
      "Shift+d": () => player.leap("detection", -1),
      w: () => player.leap("warning", 1),
      "Shift+w": () => player.leap("warning", -1),
      e: () => player.leap("event", 1),
      "Shift+e": () => player.leap("event", -1),
      "<": () => changeSpeed(player, -1),
      ">": () => changeSpeed(player, 1),
      r: () => player.setLoops(!player.getState().loops),
      g: () => document.getElementById("jump")?.click(),
      f: () => document.getElementById("toggle-fullscreen")?.click(),
      b: toggle("boxes"),
      m: toggle("radar"),
      Escape: () => player.picked.choose(null),
      "?": onHelp,
    });
  }, [player, onHelp]);
}

function changeSpeed(player: Player, step: 1 | -1): void {
  const { speed } = player.getState();
  const at = SPEEDS.findIndex((each) => each >= Math.abs(speed));
  const next = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at + step))] ?? 1;
  player.setSpeed(speed < 0 ? -next : next);
}
