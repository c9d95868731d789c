import { useId, type KeyboardEvent, type ReactNode } from "react";
import { Icon, type IconName } from "./Icon";

export interface Tab {
  id: string;
  label: string;
  icon?: IconName;
  content: ReactNode;
}

interface TabsProps {
  label: string;
  tabs: readonly Tab[];
  selected: string;
  onSelect: (id: string) => void;
  /** True while the panel is folded away and only the tabs are to be seen. */
  folded?: boolean;
}

const STEPS: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Tabs as WAI-ARIA describes them: the arrow keys choose a tab, and the tab key stops at them once. */
export function Tabs({ label, tabs, selected, onSelect, folded = false }: TabsProps) {
  const base = useId();
  const at = Math.max(0, tabs.findIndex((tab) => tab.id === selected));

  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const step = STEPS[event.key];
    const next = step === undefined ? undefined : tabs[(at + step + tabs.length) % tabs.length];
    if (!next) return;
    event.preventDefault();
    onSelect(next.id);
    document.getElementById(`${base}-${next.id}`)?.focus();
  };

  return (
    <div className="tabs">
      <div role="tablist" aria-label={label} className="tab-list" onKeyDown={onKeyDown} tabIndex={-1}>
        {tabs.map(({ id, label: name, icon }, index) => (
          <button key={id} id={`${base}-${id}`} type="button" role="tab" aria-selected={index === at} aria-expanded={!folded}
            aria-controls={`${base}-panel`} tabIndex={index === at ? 0 : -1} onClick={() => onSelect(id)}>
            {icon && <Icon name={icon} />}
            {name}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${base}-panel`} aria-labelledby={`${base}-${tabs[at]?.id ?? ""}`} className="tab-panel" hidden={folded}>
        {!folded && tabs[at]?.content}
      </div>
    </div>
  );
}
