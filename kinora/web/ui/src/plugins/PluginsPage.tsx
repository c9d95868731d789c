import { getJobs, getPlugins, reloadPlugins } from "../api/calls";
import type { JobSummary } from "../api/generated";
import { useMayOperate } from "../api/session";
import { Button } from "../ui/Button";
import { count } from "../ui/format";
import { Notice } from "../ui/Notice";
import { useAction } from "../ui/useAction";
import { useLoaded } from "../ui/useLoaded";
import { installCommand } from "./installCommand";
import { PluginArticle } from "./PluginArticle";

/** The newest jobs, among which each plugin's picture is looked for. */
const getNewest = (signal: AbortSignal) => getJobs({ status: "", search: "" }, null, 100, signal);

/** All plugins of the server; broken ones come first, with the reason; those that only lack an extra come last. */
export function PluginsPage() {
  const { value, error, set } = useLoaded(getPlugins);
  const { value: newest } = useLoaded(getNewest);
  const mayOperate = useMayOperate();
  const { busy, error: fault, run } = useAction();
  const missing = (value ?? []).filter((plugin) => installCommand(plugin) !== null);
  const broken = (value ?? []).filter((plugin) => plugin.health === "broken" && !missing.includes(plugin));
  const working = (value ?? []).filter(({ health }) => health !== "broken");
  return (
    <main className="plugins-page" id="main">
      <header>
        <h1>Plugins</h1>
        <p className="hint" role="status">
          {value && [count(working.length, "plugin"), ...(missing.length > 0 ? [`${missing.length} not installed`] : []), ...(broken.length > 0 ? [`and ${broken.length} broken`] : [])].join(", ")}
        </p>
        {mayOperate && (
          <Button icon="again" title="Finds new and changed plugins, and forgets past failures" busy={busy !== null} onClick={() => run("reload", async () => set(await reloadPlugins()))}>
            Search again
          </Button>
        )}
      </header>
      {(fault ?? error) !== null && <Notice tone="bad">{fault ?? error}</Notice>}
      <div className="plugin-grid">
        {[...broken, ...working, ...missing].map((plugin) => (
          <PluginArticle key={`${plugin.name} ${plugin.origin.location}`} plugin={plugin} job={jobWith(plugin.name, newest?.jobs ?? [])} />
        ))}
      </div>
    </main>
  );
}

/** The newest job in which something was found with this plugin. */
function jobWith(plugin: string, jobs: readonly JobSummary[]): JobSummary | null {
  return jobs.find(({ plugins, picture }) => picture !== null && plugins.includes(plugin)) ?? null;
}
