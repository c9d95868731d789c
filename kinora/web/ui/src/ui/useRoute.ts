import { useSyncExternalStore } from "react";

/** The view of the page, kept in the address's fragment so that links, reload and "back" work. */
export type Route = { view: "work"; jobId: string | null } | { view: "plugins" };

export function parseRoute(fragment: string): Route {
  if (fragment === "#/plugins") return { view: "plugins" };
  const job = /^#\/jobs\/([^/]+)$/.exec(fragment)?.[1];
  return { view: "work", jobId: job === undefined ? null : decodeURIComponent(job) };
}

export const jobLink = (jobId: string) => `#/jobs/${encodeURIComponent(jobId)}`;

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
