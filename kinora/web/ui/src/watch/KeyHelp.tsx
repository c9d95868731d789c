import { useEffect, useRef } from "react";
import { Button } from "../ui/Button";
import { isBoolean, useStored } from "../ui/useStored";

const KEYS: readonly [keys: string[], words: string][] = [
  [["Space"], "play, pause"],
  [["←", "→"], "one frame; with Shift ten"],
  [["J", "K", "L"], "play backwards, pause, play; again: faster"],
  [["Home", "End"], "first and last frame"],
  [["D", "W", "E"], "next detection, kind of warning, event; with Shift the previous one"],
  [["G"], "go to a frame or time"],
  [["<", ">"], "slower, faster"],
  [["R"], "repeat at the end"],
  [["+", "−", "0"], "enlarge the picture, make it smaller, whole picture"],
  [["B", "M"], "boxes, map of the tracks"],
  [["F"], "fullscreen"],
  [["Esc"], "leave the chosen box"],
  [["?"], "this help"],
];

/** The keys of the player, in a dialog. */
export function KeyHelp({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [works, setWorks] = useStored("keys", true, isBoolean);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="key-help" aria-label="Keys" onClose={onClose}>
      <h2>Keys</h2>
      <dl>
        {KEYS.map(([keys, words]) => (
          <div key={words}>
            <dt>{keys.map((key) => <kbd key={key}>{key}</kbd>)}</dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      <footer>
        <label>
          <input type="checkbox" checked={works} onChange={(event) => setWorks(event.target.checked)} /> These keys work
        </label>
        <Button kind="primary" onClick={() => dialog.current?.close()}>Close</Button>
      </footer>
    </dialog>
  );
}
