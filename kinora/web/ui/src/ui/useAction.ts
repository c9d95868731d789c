import { useState } from "react";
import { inWords } from "./inWords";

/** Runs an action for the user. `busy` is its name while it runs; `error` is its error afterwards, as a sentence. */
export function useAction(): {
  busy: string | null;
  error: string | null;
  run: (name: string, action: () => Promise<void>) => void;
} {
  const [busy, setBusy] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const run = (name: string, action: () => Promise<void>) => {
    setBusy(name);
    setError(null);
    action()
      .catch((fault: unknown) => setError(inWords(fault)))
      .finally(() => setBusy(null));
  };
  return { busy, error, run };
}
