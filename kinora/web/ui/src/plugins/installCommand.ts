import type { PluginSummary } from "../api/generated";

/** The command that installs what a plugin lacks, if that is all that is wrong with it; otherwise null. */
export function installCommand({ health, reason }: PluginSummary): string | null {
  if (health !== "broken") return null;
  return /not installed: (pip install \S+)/.exec(reason ?? "")?.[1] ?? null;
}
