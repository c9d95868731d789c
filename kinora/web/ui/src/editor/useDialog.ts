/** What Escape does in the editor's dialog, and where the focus goes when a shape is drawn. */
import { useEffect, useRef, type RefObject } from "react";

/** Have Escape call `act` in place of closing the dialog round `inside`, while `isOn`. */
export function useEscape(inside: RefObject<HTMLElement | null>, isOn: boolean, act: () => void): void {
  useEffect(() => {
    const dialog = inside.current?.closest("dialog");
    if (!isOn || !dialog) return;
    const onCancel = (event: Event) => {
      event.preventDefault();
      act();
    };
    dialog.addEventListener("cancel", onCancel);
    return () => dialog.removeEventListener("cancel", onCancel);
  }, [inside, isOn, act]);
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
