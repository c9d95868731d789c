/** What Escape does in the editor's dialog, and where the focus goes when a shape is drawn. */
import { useEffect, useRef, type RefObject } from "react";

/** Have Escape, or what a phone has in its place, call `act` instead of closing the dialog round `inside`; null lets it close. */
export function useEscape(inside: RefObject<HTMLElement | null>, act: (() => void) | null): void {
  useEffect(() => {
    const dialog = inside.current?.closest("dialog");
    if (!act || !dialog) return;
    const onCancel = (event: Event) => {
      event.preventDefault();
      act();
    };
    // A browser lets only the first of two `cancel` events in a row be prevented: the key is taken before that.
    const onKeyDown = (event: KeyboardEvent) => event.key === "Escape" && onCancel(event);
    dialog.addEventListener("keydown", onKeyDown);
    dialog.addEventListener("cancel", onCancel);
    return () => {
      dialog.removeEventListener("keydown", onKeyDown);
      dialog.removeEventListener("cancel", onCancel);
    };
  }, [inside, act]);
}

/** Put the focus on the first point of the new shape when its drawing ends, or on the bar's first button if there is none. */
export function useFocus(bar: RefObject<HTMLElement | null>, isDrawing: boolean): void {
  const drew = useRef(false);
  useEffect(() => {
    if (drew.current && !isDrawing) {
      const handle = bar.current?.parentElement?.querySelector<HTMLElement>(".point-handle");
      (handle ?? bar.current?.querySelector("button"))?.focus();
    }
    drew.current = isDrawing;
  }, [bar, isDrawing]);
}
