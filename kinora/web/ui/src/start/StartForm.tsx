import { useEffect, useRef, useState, useSyncExternalStore, type SyntheticEvent } from "react";
import { getDevices, getPlugins } from "../api/calls";
import { ApiError } from "../api/http";
import { sendTo, whyNotYet } from "../camera/pushed";
import { DeviceSelector } from "../controls/DeviceSelector";
import { PictureOf } from "../editor/PictureOf";
import { Button } from "../ui/Button";
import { inWords } from "../ui/inWords";
import { Notice } from "../ui/Notice";
import { useLoaded } from "../ui/useLoaded";
import { writeStored } from "../ui/useStored";
import { requestOf, type Draft } from "./draft";
import { draftPicture } from "./draftPicture";
import { PlaceFields } from "./PlaceFields";
import { PluginPicker } from "./PluginPicker";
import { RunOptionsFields } from "./RunOptionsFields";
import { sending, type Progress } from "./Sending";
import { SourcePicker } from "./SourcePicker";

interface StartFormProps {
  draft: Draft;
  onChange: (draft: Draft) => void;
  /** Called with the last of the jobs that were started, and their number. */
  onStarted: (jobId: string, count: number) => void;
}

/** The form for a new job: source, plugins, device and options. */
export function StartForm({ draft, onChange, onStarted }: StartFormProps) {
  const plugins = useLoaded(getPlugins);
  const devices = useLoaded(getDevices);
  const progress = useSyncExternalStore(sending.subscribe, sending.get);
  const isHere = useMounted();
  const [refused, setRefused] = useState(false);
  const [error, setError] = useState<ApiError | string | null>(null);
  const request = requestOf(draft);
  const change = (part: Partial<Draft>) => {
    setError(null);
    onChange({ ...draft, ...part });
  };

  const start = async (event: SyntheticEvent) => {
    event.preventDefault();
    setError(null);
    setRefused(typeof request === "string");
    if (typeof request === "string") return;
    const missing = whyNotYet(request.source);
    if (missing !== null) {
      setError(missing);
      return;
    }
    const started: string[] = [];
    try {
      await sending.start(request, draft.kind === "upload" ? draft.files : [], (jobId) => {
        started.push(jobId);
        sendTo(jobId, request.source);
      });
    } catch (fault) {
      setError(fault instanceof ApiError ? fault : inWords(fault));
      return;
    }
    const last = started.at(-1);
    if (last !== undefined && isHere()) onStarted(last, started.length);
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
        {plugins.value && (
          <PictureOf value={() => draftPicture(draft)}>
            <PluginPicker plugins={plugins.value} chosen={draft.plugins} onChange={(chosen) => change({ plugins: chosen })} />
          </PictureOf>
        )}
      </section>
      <section aria-label="How it runs">
        <DeviceSelector devices={devices.value?.devices ?? []} best={devices.value?.default ?? "…"} value={draft.device} onChange={chooseDevice} />
        {devices.error !== null && <LoadFault error={devices.error} retry={devices.reload} />}
        <RunOptionsFields draft={draft} onChange={change} />
        <PlaceFields draft={draft} onChange={change} />
      </section>
      <div className="start-bar">
        {refused && typeof request === "string" && <Notice tone="bad">{request}</Notice>}
        {error !== null && <StartFault error={error} />}
        {progress ? <Sent progress={progress} /> : (
          <Button type="submit" kind="primary" icon="play">
            {draft.kind === "upload" && draft.files.length > 1 ? `Start ${draft.files.length} jobs` : "Start"}
          </Button>
        )}
      </div>
    </form>
  );
}

/** A function that tells whether the component is still on the page. */
function useMounted(): () => boolean {
  const mounted = useRef(false);
  useEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
    };
  }, []);
  return () => mounted.current;
}

function Sent({ progress: { name, number, count, share } }: { progress: Progress }) {
  if (name === "") return <Button kind="primary" busy>Starting…</Button>;
  const percent = Math.floor(100 * share);
  return (
    <div className="sending">
      <p>Sending {name}{count > 1 && ` (${number} of ${count})`}: {percent}%</p>
      <progress max={100} value={percent} aria-label={`Sending ${name}`} />
      <Button icon="close" onClick={sending.cancel}>Cancel sending</Button>
    </div>
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
