import { getPlugins, reloadPlugins } from "../api/calls";
import { Button } from "../ui/Button";
import { count } from "../ui/format";
import { Notice } from "../ui/Notice";
import { useAction } from "../ui/useAction";
import { useLoaded } from "../ui/useLoaded";
import { PluginArticle } from "./PluginArticle";

/** All plugins of the server; broken ones come first, with the reason. */
export function PluginsPage() {
  const { value, error, set } = useLoaded(getPlugins);
  const { busy, error: fault, run } = useAction();
  const broken = (value ?? []).filter(({ health }) => health === "broken");
  const working = (value ?? []).filter(({ health }) => health !== "broken");
  return (
    <main className="plugins-page" id="main">
      <header>
        <h1>Plugins</h1>
        <p className="hint" role="status">
          {value && `${count(working.length, "plugin")}${broken.length > 0 ? `, and ${broken.length} broken` : ""}`}
        </p>
        <Button icon="again" busy={busy !== null} onClick={() => run("reload", async () => set(await reloadPlugins()))}>
          Search again
        </Button>
      </header>
      {(fault ?? error) !== null && <Notice tone="bad">{fault ?? error}</Notice>}
      <div className="plugin-grid">
        {[...broken, ...working].map((plugin) => (
          <PluginArticle key={`${plugin.name} ${plugin.origin.location}`} plugin={plugin} />
        ))}
      </div>
    </main>
  );
}
