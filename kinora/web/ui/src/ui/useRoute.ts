import { useSyncExternalStore } from "react";

/** The view of the page, kept in the address's fragment so that links, reload and "back" work. */
export type Route = { view: "work"; jobId: string | null } | { view: "wall" } | { view: "plugins" } | { view: "agents" } | { view: "tokens" };

export function parseRoute(fragment: string): Route {
  if (fragment === "#/wall") return { view: "wall" };
  if (fragment === "#/plugins") return { view: "plugins" };
  if (fragment === "#/agents") return { view: "agents" };
  if (fragment === "#/tokens") return { view: "tokens" };
  const job = /^#\/jobs\/([^/?]+)(?:\?.*)?$/.exec(fragment)?.[1];
  return { view: "work", jobId: job === undefined ? null : decodeURIComponent(job) };
}

/** The frame that a link to a job names, as in `#/jobs/ID?frame=120`; null if it names none. */
export function frameOf(fragment: string): number | null {
  const frame = new URLSearchParams(fragment.split("?")[1]).get("frame");
  return frame !== null && /^\d{1,9}$/.test(frame) ? Number(frame) : null;
}

export function jobLink(jobId: string, frame: number | null = null): string {
  return `#/jobs/${encodeURIComponent(jobId)}${frame === null ? "" : `?frame=${frame}`}`;
}

export function goTo(link: string): void {
  location.hash = link;
}

export function useRoute(): Route {
  const fragment = useSyncExternalStore(listen, () => location.hash);
  return parseRoute(fragment);
}

function listen(onChange: () => void): () => void {
  window.addEventListener("hashchange", onChange);
  return () => window.removeEventListener("hashchange", onChange);
}
