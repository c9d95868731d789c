import { useEffect, useRef, useState } from "react";
import type { TokenMade } from "../api/generated";
import { makeLink } from "../api/tokens";
import { Button } from "../ui/Button";
import { Notice } from "../ui/Notice";
import { useAction } from "../ui/useAction";

/** A new token, told this once. */
export function MadeToken({ made: { name, role, token }, onDone }: { made: TokenMade; onDone: () => void }) {
  const [link, setLink] = useState<string | null>(null);
  const { busy, error, run } = useAction();
  const make = async () => setLink((await makeLink(token)).links[0] ?? null);
  return (
    <section className="made-token" aria-label={`The new token ${name}`}>
      <p role="status"><strong>{name}</strong> has its token. It is told this once only: copy it now.</p>
      <Secret label="The token" text={token} />
      <p className="hint">A program sends it as <code>Authorization: Bearer</code>. For a browser, a link is easier:</p>
      {link === null ? <Button busy={busy !== null} onClick={() => run("link", make)}>Make a link that signs {role === "view" ? "a viewer" : "somebody"} in</Button> : (
        <>
          <Secret label="The link" text={link} />
          <p className="hint">It works once, within an hour.</p>
        </>
      )}
      {error !== null && <Notice tone="bad">{error}</Notice>}
      <Button kind="quiet" icon="check" onClick={onDone}>I have copied it</Button>
    </section>
  );
}

const SAID_MS = 3000;

/** A text to copy. */
function Secret({ label, text }: { label: string; text: string }) {
  const field = useRef<HTMLInputElement>(null);
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => setSaid(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    field.current?.select();
    // Browsers offer the clipboard only over TLS and on this machine; the selected text can be copied by hand everywhere.
    const copied = await clipboardOf(navigator)?.writeText(text).then(() => true, () => false);
    setSaid(copied === true ? "Copied." : "Selected: press Ctrl+C.");
  };
  return (
    <div className="secret">
      <input ref={field} readOnly aria-label={label} value={text} onFocus={(event) => event.currentTarget.select()} />
      <Button icon="copy" aria-label={`Copy ${label.toLowerCase()}`} onClick={() => void copy()}>Copy</Button>
      <span role="status" className="hint">{said}</span>
    </div>
  );
}

/** TypeScript takes it for granted. */
const clipboardOf = (browser: { clipboard?: Clipboard }) => browser.clipboard;
