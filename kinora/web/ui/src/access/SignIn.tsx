import { useEffect, useState, type SubmitEvent } from "react";
import { at } from "../api/base";
import { session } from "../api/session";
import { Button } from "../ui/Button";
import { Notice } from "../ui/Notice";
import { useAction } from "../ui/useAction";

/** An answer that takes longer is one that the server holds back. */
const SLOW_MS = 1500;

/** The page in place of all others while the server wants a token; `ended` says that the page had been let in before. */
export function SignIn({ ended }: { ended: boolean }) {
  const { busy, error, run } = useAction();
  const waits = useIsSlow(busy !== null);
  useEffect(() => {
    document.title = "Sign in · Kinora";
    return () => void (document.title = "Kinora");
  }, []);
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const token = new FormData(event.currentTarget).get("token");
    if (typeof token === "string" && token.trim() !== "") run("sign in", () => session.signIn(token.trim()));
  };
  return (
    <main className="sign-in" id="main">
      <form aria-label="Sign in" onSubmit={submit}>
        <img src={at("/favicon.svg")} alt="" width="40" height="40" />
        <h1>This server needs a token</h1>
        {ended && error === null && <Notice tone="warn">You are signed out: your token was revoked, or you signed out in another tab.</Notice>}
        <div className="field">
          <label htmlFor="token">Token</label>
          {/* The field is all that this page is for. */}
          {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
          <input id="token" name="token" type="password" autoComplete="off" spellCheck={false} autoFocus required placeholder="kin_…"
            aria-describedby="token-note" aria-invalid={error !== null} />
          <p id="token-note" className="hint">It is kept as a cookie that only this server can read, and nowhere in the page.</p>
        </div>
        {error !== null && <Notice tone="bad">{error}</Notice>}
        <Button type="submit" kind="primary" className="large" busy={busy !== null}>{busy === null ? "Sign in" : "Asking the server…"}</Button>
        <p className="hint" role="status">{waits && "The server takes its time: after a wrong token it answers more slowly."}</p>
        <details>
          <summary>Where do I find one?</summary>
          <p>Ask whoever runs the server for a token, or for a link that signs you in.</p>
          <p>You run it yourself? On its machine, <code>kinora token link</code> prints such a link, and the file <code>token</code> in the data folder has your own token.</p>
        </details>
      </form>
    </main>
  );
}

/** True once `busy` has lasted for a while. */
function useIsSlow(busy: boolean): boolean {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    if (!busy) return;
    const timer = setTimeout(() => setSlow(true), SLOW_MS);
    return () => {
      clearTimeout(timer);
      setSlow(false);
    };
  }, [busy]);
  return slow;
}
