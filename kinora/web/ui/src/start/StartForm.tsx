import { useState, type SyntheticEvent } from "react";
import { getDevices, getPlugins, submitJob } from "../api/calls";
import { ApiError } from "../api/http";
import { DeviceSelector } from "../controls/DeviceSelector";
import { Button } from "../ui/Button";
import { inWords } from "../ui/inWords";
import { Notice } from "../ui/Notice";
import { useLoaded } from "../ui/useLoaded";
import { writeStored } from "../ui/useStored";
import { requestOf, type Draft } from "./draft";
import { PluginPicker } from "./PluginPicker";
import { RunOptionsFields } from "./RunOptionsFields";
import { keepFile } from "./sentFiles";
import { SourcePicker } from "./SourcePicker";

interface StartFormProps {
  draft: Draft;
  onChange: (draft: Draft) => void;
  onStarted: (jobId: string) => void;
}

/** The form for a new job: source, plugins, device and options. */
export function StartForm({ draft, onChange, onStarted }: StartFormProps) {
  const plugins = useLoaded(getPlugins);
  const devices = useLoaded(getDevices);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | string | null>(null);
  const change = (part: Partial<Draft>) => onChange({ ...draft, ...part });

  const start = async (event: SyntheticEvent) => {
    event.preventDefault();
    const request = requestOf(draft);
    if (typeof request === "string") {
      setError(request);
      return;
    }
    setBusy(true);
    setError(null);
    try {
      const file = draft.kind === "upload" ? draft.file : null;
      const { jobId } = await submitJob(request, file ?? undefined);
      if (file) keepFile(jobId, file);
      onStarted(jobId);
    } catch (fault) {
      setError(fault instanceof ApiError ? fault : inWords(fault));
    } finally {
      setBusy(false);
    }
  };
  const chooseDevice = (device: string) => {
    writeStored("device", device);
    change({ device });
  };

  return (
    <form className="start-form" aria-label="New job" onSubmit={(event) => void start(event)}>
      <section aria-label="Source">
        <h2>Source</h2>
        <SourcePicker draft={draft} onChange={change} />
      </section>
      <section aria-label="Plugins">
        <h2>Plugins</h2>
        {plugins.error !== null && <LoadFault error={plugins.error} retry={plugins.reload} />}
        {plugins.value && <PluginPicker plugins={plugins.value} chosen={draft.plugins} onChange={(chosen) => change({ plugins: chosen })} />}
      </section>
      <section aria-label="How it runs">
        <DeviceSelector devices={devices.value?.devices ?? []} best={devices.value?.default ?? "…"} value={draft.device} onChange={chooseDevice} />
        {devices.error !== null && <LoadFault error={devices.error} retry={devices.reload} />}
        <RunOptionsFields draft={draft} onChange={change} />
      </section>
      <div className="start-bar">
        {error !== null && <StartFault error={error} />}
        <Button type="submit" kind="primary" icon="play" busy={busy}>
          {busy ? (draft.kind === "upload" ? "Sending the file…" : "Starting…") : "Start"}
        </Button>
      </div>
    </form>
  );
}

function LoadFault({ error, retry }: { error: string; retry: () => void }) {
  return (
    <Notice tone="bad">
      {error} <button type="button" className="link" onClick={retry}>Try again</button>
    </Notice>
  );
}

function StartFault({ error }: { error: ApiError | string }) {
  if (typeof error === "string") return <Notice tone="bad">{error}</Notice>;
  return (
    <Notice tone="bad">
      {error.message}
      {error.faults.length > 0 && (
        <ul>
          {error.faults.map(({ path, message }) => (
            <li key={path + message}><code>{path}</code> {message}</li>
          ))}
        </ul>
      )}
    </Notice>
  );
}
