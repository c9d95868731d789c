/** Keys that work on the whole page, unless the element with the focus needs them itself. */
import { isBoolean, readStored } from "./useStored";

type Action = (event: KeyboardEvent) => void;

/** Call the action of a pressed key until the returned function is called.
 *
 * A key's name is that of `KeyboardEvent.key`, with `Shift+` before it for letters and arrows.
 */
export function onKeys(actions: Readonly<Record<string, Action>>): () => void {
  const onKeyDown = (event: KeyboardEvent) => {
    const action = actions[nameOf(event)];
    if (!action || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isNeededBy(event.target, event.key) || !readStored("keys", true, isBoolean)) return;
    event.preventDefault();
    action(event);
  };
  window.addEventListener("keydown", onKeyDown);
  return () => window.removeEventListener("keydown", onKeyDown);
}

function nameOf({ key, shiftKey }: KeyboardEvent): string {
  const name = key.length === 1 ? key.toLowerCase() : key;
  return shiftKey && /^([a-z]|Arrow.*)$/.test(name) ? `Shift+${name}` : name;
}

const TAKES_TEXT = "textarea, select, [contenteditable], dialog, input:not([type=checkbox], [type=radio], [type=range])";
const TAKES_MOVES = "input, [role=tab], [role=region], pre";
const TAKES_PRESSES = "button, a, summary, input, [role=region]";

function isNeededBy(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof Element)) return false;
  const within = (selector: string) => target.closest(selector) !== null;
  if (within(TAKES_TEXT)) return true;
  if (key === " " || key === "Enter") return within(TAKES_PRESSES);
  return /^(Arrow|Home|End|Page)/.test(key) && within(TAKES_MOVES);
}
