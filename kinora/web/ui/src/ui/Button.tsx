import type { ButtonHTMLAttributes } from "react";
import { Icon, type IconName } from "./Icon";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon?: IconName;
  kind?: "plain" | "primary" | "danger" | "quiet";
  /** True while the button's action is under way. */
  busy?: boolean;
}

export function Button({ icon, kind = "plain", busy = false, className = "", children, disabled, ...rest }: ButtonProps) {
  return (
    <button type="button" {...rest} className={`button ${kind} ${className}`.trimEnd()} disabled={disabled ?? busy} aria-busy={busy}>
      {busy ? <span className="spinner" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon: IconName;
  label: string;
}

export function IconButton({ icon, label, ...rest }: IconButtonProps) {
  return (
    <button type="button" {...rest} className="icon-button" aria-label={label} title={label}>
      <Icon name={icon} />
    </button>
  );
}

interface ToggleProps {
  id?: string;
  icon: IconName;
  label: string;
  on: boolean;
  onChange: (on: boolean) => void;
  disabled?: boolean;
}

export function Toggle({ icon, label, on, onChange, ...rest }: ToggleProps) {
  return (
    <button {...rest} type="button" className="icon-button toggle" aria-pressed={on} aria-label={label} title={label}
      onClick={() => onChange(!on)}>
      <Icon name={icon} />
    </button>
  );
}
