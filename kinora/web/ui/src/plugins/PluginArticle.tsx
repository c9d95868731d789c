import { useState } from "react";
import { getPlugin } from "../api/calls";
import type { PluginMetadata, PluginSummary } from "../api/generated";
import { propertiesOf, showValue } from "../api/optionSchema";
import { Badge } from "../ui/Badge";
import { inWords } from "../ui/inWords";

export function PluginArticle({ plugin }: { plugin: PluginSummary }) {
  const { name, health, metadata, reason, origin } = plugin;
  return (
    <article className={`plugin-article ${health}`} aria-label={name}>
      <header>
        <h2>{name}</h2>
        {metadata && <span className="hint">{metadata.version}</span>}
        <Badge text={health} />
      </header>
      {metadata && <p>{metadata.description}</p>}
      {reason !== null && <p className="bad-text">{reason}</p>}
      {health === "broken" && <Traceback name={name} />}
      {metadata && <Options metadata={metadata} />}
      <footer>
        {metadata?.capabilities.map((capability) => <span key={capability} className="tag">{capability}</span>)}
        {metadata?.devices.map((device) => <span key={device} className="tag">{device}</span>)}
        <code title={origin.location}>{origin.location}</code>
      </footer>
    </article>
  );
}

function Options({ metadata }: { metadata: PluginMetadata }) {
  const properties = propertiesOf(metadata.config_schema);
  if (properties.length === 0) return null;
  return (
    <details>
      <summary>Options</summary>
      <dl className="option-list">
        {properties.map(([name, schema]) => (
          <div key={name}>
            <dt><code>{name}</code> <span className="hint">{showValue(schema.default) || "empty"}</span></dt>
            <dd>{schema.description}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

/** A broken plugin's traceback, fetched when it is opened, as the list does not contain it. */
function Traceback({ name }: { name: string }) {
  const [text, setText] = useState<string | null>(null);
  const load = () => {
    getPlugin(name).then(
      (plugin) => setText(plugin.traceback ?? "There is no traceback."),
      (error: unknown) => setText(inWords(error)),
    );
  };
  return (
    <details onToggle={(event) => event.currentTarget.open && load()}>
      <summary>Traceback</summary>
      <pre>{text ?? "…"}</pre>
    </details>
  );
}
