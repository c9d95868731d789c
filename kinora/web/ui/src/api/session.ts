/** Who the page is to the server: what it may do, and whether it has to give a token first. */
import { useSyncExternalStore } from "react";
import { at } from "./base";
import type { Session } from "./generated";
import { ApiError, call, getJson, onRefused, postJson } from "./http";

export type Role = Session["role"];

/** `asking` until the server has said whether a token is needed; `refused` while one is needed; else `in`. */
export type SessionState =
  | { step: "asking" }
  | { step: "refused"; ended: boolean }
  | { step: "in"; session: Session };

const PATH = at("/v1/session");
/** The pause before the server is asked again if it starts or cannot be reached. */
const AGAIN_MS = 2000;
/** What holds where the server says nothing of sessions, or does not answer: each call tells what is wrong by itself. */
const UNKNOWN: Session = { role: "operate", name: null, token_needed: false };

class SessionStore {
  readonly #listeners = new Set<() => void>();
  #state: SessionState = { step: "asking" };

  constructor() {
    onRefused(() => this.#end());
  }

  readonly get = (): SessionState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Ask the server who this is. */
  async ask(): Promise<void> {
    try {
      this.#become({ step: "in", session: await getJson<Session>(PATH) });
    } catch (fault) {
      if (fault instanceof ApiError && fault.status === 401) return;
      this.#become({ step: "in", session: UNKNOWN });
      setTimeout(() => void this.ask(), AGAIN_MS);
    }
  }

  /** Give a token, which the server answers with a cookie: the page itself does not keep it.
   *
   * @throws ApiError if it is wrong.
   */
  async signIn(token: string): Promise<void> {
    const answer = await postJson(PATH, { token });
    this.#become({ step: "in", session: (await answer.json()) as Session });
  }

  readonly signOut = async (): Promise<void> => {
    await call(PATH, { method: "DELETE" });
    this.#become({ step: "refused", ended: false });
  };

  /** The server takes this page's cookie no longer, or has none of it. */
  #end(): void {
    if (this.#state.step === "refused") return;
    const ended = this.#state.step === "in";
    this.#become({ step: "refused", ended });
    // A cookie that is no longer good would be taken for an attempt to guess one, with each request anew.
    void call(PATH, { method: "DELETE" }).catch(() => undefined);
  }

  #become(state: SessionState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

export const session = new SessionStore();

export function useSession(): SessionState {
  return useSyncExternalStore(session.subscribe, session.get);
}

/** True if this page may start and change things, not only watch. */
export function useMayOperate(): boolean {
  const state = useSession();
  return state.step !== "in" || state.session.role === "operate";
}
