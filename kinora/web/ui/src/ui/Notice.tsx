import type { ReactNode } from "react";
import type { Tone } from "./Badge";
import { Icon } from "./Icon";

/** A message where something happened; screen readers announce errors at once. */
export function Notice({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <div className={`notice ${tone}`} role={tone === "bad" ? "alert" : "status"}>
      {(tone === "bad" || tone === "warn") && <Icon name="warning" />}
      <div>{children}</div>
    </div>
  );
}
