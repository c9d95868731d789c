import { Who } from "../access/Who";
import type { Route } from "../ui/useRoute";
import { ConnectionBadge } from "./ConnectionBadge";
import { ThemeButton } from "./ThemeButton";

export function Header({ route }: { route: Route }) {
  const current = (view: Route["view"]) => (route.view === view ? "page" : undefined);
  return (
    <header className="top">
      <a className="skip" href="#main" onClick={focusMain}>Skip to content</a>
      <a className="brand" href="#/" aria-label="Kinora">
        <img src="favicon.svg" alt="" width="26" height="26" /> <span aria-hidden="true">Kinora</span>
      </a>
      <nav aria-label="Main">
        <a href="#/" aria-current={current("work")}>Jobs</a>
        <a href="#/wall" aria-current={current("wall")}>Wall</a>
        <a href="#/plugins" aria-current={current("plugins")}>Plugins</a>
        <a href="#/agents" aria-current={current("agents")}>Agents</a>
        <a href="docs">API</a>
      </nav>
      <ConnectionBadge />
      <Who />
      <ThemeButton />
    </header>
  );
}

/** Focus the content without following the link, as the address's fragment is the page's route. */
function focusMain(event: { preventDefault: () => void }): void {
  event.preventDefault();
  const main = document.getElementById("main");
  main?.setAttribute("tabindex", "-1");
  main?.focus();
}
