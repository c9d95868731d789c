import { session, useSession } from "../api/session";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { Menu } from "../ui/Menu";
import { Notice } from "../ui/Notice";
import { useAction } from "../ui/useAction";
import { ROLES } from "./roles";

/** Who is signed in, and the way out; nothing where no token is needed. */
export function Who() {
  const state = useSession();
  const { busy, error, run } = useAction();
  if (state.step !== "in" || !state.session.token_needed) return null;
  const { name, role } = state.session;
  return (
    <div className="who">
      {role === "view" && <span className="hint may-watch">You may watch</span>}
      <Menu label={name ?? "Signed in"} icon="key">
        <p className="hint"><strong>{name}</strong> {ROLES[role]}.</p>
        {role === "operate" && <a className="button quiet" href="#/tokens"><Icon name="list" /> Tokens</a>}
        <Button kind="quiet" icon="leave" busy={busy !== null} onClick={() => run("sign out", session.signOut)}>Sign out</Button>
        {error !== null && <Notice tone="bad">{error}</Notice>}
      </Menu>
    </div>
  );
}
