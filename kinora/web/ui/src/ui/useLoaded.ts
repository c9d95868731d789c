import { useCallback, useEffect, useState } from "react";
import { inWords } from "./inWords";

export interface Loaded<T> {
  value: T | null;
  error: string | null;
  reload: () => void;
  set: (value: T) => void;
}

/** The result of `load`, which is called when the component appears; `load` must stay the same function. */
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ value: T | null; error: string | null }>({ value: null, error: null });
  const [round, setRound] = useState(0);

  useEffect(() => {
    const abort = new AbortController();
    load(abort.signal).then(
      (value) => setState({ value, error: null }),
      (error: unknown) => {
        if (!abort.signal.aborted) setState((known) => ({ ...known, error: inWords(error) }));
      },
    );
    return () => abort.abort();
  }, [load, round]);

  const reload = useCallback(() => setRound((known) => known + 1), []);
  const set = useCallback((value: T) => setState({ value, error: null }), []);
  return { ...state, reload, set };
}
