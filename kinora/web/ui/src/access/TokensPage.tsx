import { useState } from "react";
import type { TokenInfo, TokenMade } from "../api/generated";
import { useSession } from "../api/session";
import { getTokens, revokeToken } from "../api/tokens";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { moment } from "../ui/format";
import { Notice } from "../ui/Notice";
import { useAction } from "../ui/useAction";
import { useLoaded } from "../ui/useLoaded";
import { MadeToken } from "./MadeToken";
import { NewTokenForm } from "./NewTokenForm";

/** Who may use the server: all tokens, with ways to make further ones and to revoke them. */
export function TokensPage() {
  const state = useSession();
  if (state.step === "in" && !state.session.token_needed) return <Page><p>This server lets everybody on this machine do everything: it needs no token. Start it with <code>--token</code>, or on an address that others can reach, and it will.</p></Page>;
  if (state.step === "in" && state.session.role === "view") return <Page><p>You may watch. Tokens are made and revoked by those who <em>operate</em> the server.</p></Page>;
  return <Page><Tokens own={state.step === "in" ? state.session.name : null} /></Page>;
}

function Page({ children }: { children: React.ReactNode }) {
  return (
    <main className="tokens-page" id="main">
      <h1>Tokens</h1>
      {children}
    </main>
  );
}

/** `own` is the name of the token that this page uses. */
function Tokens({ own }: { own: string | null }) {
  const { value, error, reload } = useLoaded(getTokens);
  const [made, setMade] = useState<TokenMade | null>(null);
  return (
    <>
      <NewTokenForm onMade={(token) => {
        setMade(token);
        reload();
      }} />
      {made && <MadeToken key={made.id} made={made} onDone={() => setMade(null)} />}
      {error !== null && <Notice tone="bad">{error} <button type="button" className="link" onClick={reload}>Try again</button></Notice>}
      <ul className="token-list" aria-label="Tokens">
        {value?.map((token) => <TokenRow key={token.id} token={token} isOwn={token.name === own} onRevoked={reload} />)}
      </ul>
    </>
  );
}

interface TokenRowProps {
  token: TokenInfo;
  isOwn: boolean;
  onRevoked: () => void;
}

function TokenRow({ token: { id, name, role, created_at: made, last_used_at: used }, isOwn, onRevoked }: TokenRowProps) {
  const { busy, error, run } = useAction();
  const [asks, setAsks] = useState(false);
  const revoke = async () => {
    await revokeToken(id);
    onRevoked();
  };
  return (
    <li aria-label={name}>
      <strong>{name}</strong> <Badge text={role} tone={role === "operate" ? "info" : "neutral"} /> {isOwn && <span className="hint">this page uses it</span>}
      <span className="hint">made {moment(made)} · {used === null ? "never used" : `last used ${moment(used)}`}</span>
      {asks ? (
        <span className="question" role="group" aria-label={`Revoke ${name}`}>
          <span>{isOwn ? "You will be signed out." : "Whoever uses it is shut out at once."}</span>
          {/* Focus goes from the button that asked to the answer. */}
          {/* eslint-disable-next-line jsx-a11y/no-autofocus */}
          <Button kind="danger" autoFocus busy={busy !== null} onClick={() => run("revoke", revoke)}>Revoke {name}</Button>
          <Button kind="quiet" onClick={() => setAsks(false)}>Keep it</Button>
        </span>
      ) : <Button kind="quiet" icon="trash" aria-label={`Revoke ${name}…`} onClick={() => setAsks(true)}>Revoke…</Button>}
      {error !== null && <Notice tone="bad">{error}</Notice>}
    </li>
  );
}
