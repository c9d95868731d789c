import { createContext, useContext, useRef, useSyncExternalStore } from "react";
import type { Listener, RealtimeStore } from "./RealtimeStore";
import type { Action } from "./reducer";
import type { RealtimeState } from "./state";

export interface Realtime {
  readonly store: RealtimeStore;
  readonly state: RealtimeState;
  dispatch: (action: Action) => void;
  subscribe: (listener: Listener) => () => void;
  /** Set the most frames per second to receive. */
  setPace: (maxFps: number) => void;
  /** Fetch the watched job's state now. */
  refresh: () => void;
  reconnect: () => void;
}

export const RealtimeContext = createContext<Realtime | null>(null);

/** The realtime connection and its state. Reading `state` here does not subscribe to it; `useRealtime` does. */
export function useRealtimeContext(): Realtime {
  const context = useContext(RealtimeContext);
  if (!context) throw new Error("This component must be inside a RealtimeProvider.");
  return context;
}

/** A part of the state; renders again when one of that part's own fields changes. */
export function useRealtime<T>(select: (state: RealtimeState) => T): T {
  const { store } = useRealtimeContext();
  const last = useRef<{ state: RealtimeState; value: T } | null>(null);
  return useSyncExternalStore(store.subscribe, () => {
    const state = store.getState();
    if (last.current?.state === state) return last.current.value;
    const value = select(state);
    const kept = last.current && isShallowEqual(last.current.value, value) ? last.current.value : value;
    last.current = { state, value: kept };
    return kept;
  });
}

function isShallowEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const left = Object.entries(a);
  const right = b as Record<string, unknown>;
  return left.length === Object.keys(b).length && left.every(([key, value]) => Object.is(value, right[key]));
}
