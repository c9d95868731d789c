import { useEffect, useId, useRef, useState, type ReactNode } from "react";
import { Button } from "./Button";
import type { IconName } from "./Icon";

interface MenuProps {
  label: string;
  icon: IconName;
  /** True while something that was chosen in the menu is under way. */
  busy?: boolean;
  children: ReactNode;
}

/** A button that opens a small panel below it; Escape and a press elsewhere close it. */
export function Menu({ label, icon, busy = false, children }: MenuProps) {
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);

  useEffect(() => {
    if (!open) return;
    const onPress = ({ target }: Event) => target instanceof Node && !box.current?.contains(target) && setOpen(false);
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      box.current?.querySelector("button")?.focus();
    };
    document.addEventListener("pointerdown", onPress);
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("pointerdown", onPress);
      document.removeEventListener("keydown", onKey);
    };
  }, [open]);

  return (
    <div className="menu" ref={box}>
      <Button kind="quiet" icon={icon} aria-expanded={open} aria-controls={id} busy={busy} disabled={false} onClick={() => setOpen(!open)}>
        {label}
      </Button>
      <div id={id} className="menu-panel" role="group" aria-label={label} hidden={!open}>
        {children}
      </div>
    </div>
  );
}
