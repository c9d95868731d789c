import type { PluginMetadata } from "../api/generated";

interface PluginMetadataProps {
  /** Null if the server does not know it. */
  metadata: PluginMetadata | null;
}

/** A plugin's description of itself. */
export function PluginMetadata({ metadata }: PluginMetadataProps) {
  if (!metadata) return <p className="hint">Nothing is known about this plugin.</p>;
  return (
    <details className="metadata">
      <summary>
        <span className="summary-text">{metadata.description || "About this plugin"}</span>
      </summary>
      <dl>
        <Row term="Version" values={[metadata.version]} />
        <Row term="Author" values={[metadata.author]} />
        <Row term="Outputs" values={metadata.outputs} />
        <Row term="Capabilities" values={metadata.capabilities} />
        <Row term="Runs on" values={metadata.devices} />
        <Row term="Budget" values={metadata.latency_budget_ms === null ? [] : [`${metadata.latency_budget_ms} ms per frame`]} />
        <Row term="Memory" values={metadata.memory_limit_mb === null ? [] : [`${metadata.memory_limit_mb} MB`]} />
        <Row term="Batches" values={metadata.max_batch > 1 ? [`up to ${metadata.max_batch} frames`] : []} />
      </dl>
    </details>
  );
}

function Row({ term, values }: { term: string; values: readonly string[] }) {
  const said = values.filter((value) => value !== "");
  if (said.length === 0) return null;
  return (
    <div>
      <dt>{term}</dt>
      <dd>{said.join(", ")}</dd>
    </div>
  );
}
