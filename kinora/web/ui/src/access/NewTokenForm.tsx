import { useId, useState, type SubmitEvent } from "react";
import type { TokenMade } from "../api/generated";
import type { Role } from "../api/session";
import { makeToken } from "../api/tokens";
import { Button } from "../ui/Button";
import { Choice } from "../ui/Choice";
import { Notice } from "../ui/Notice";
import { useAction } from "../ui/useAction";
import { ROLES } from "./roles";

const CHOICES = (["view", "operate"] as const).map((value) => ({ value, label: `${value}: ${ROLES[value]}` }));

/** The form for a further token. */
export function NewTokenForm({ onMade }: { onMade: (made: TokenMade) => void }) {
  const id = useId();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("view");
  const { busy, error, run } = useAction();
  const make = async () => {
    onMade(await makeToken(name.trim(), role));
    setName("");
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    run("make", make);
  };
  return (
    <form className="new-token" aria-label="New token" onSubmit={submit}>
      <div className="field">
        <label htmlFor={id}>Whom or what it is for</label>
        <input id={id} required maxLength={64} autoComplete="off" placeholder="wall" value={name} onChange={(event) => setName(event.target.value)} />
      </div>
      <Choice legend="Role" name="role" options={CHOICES} value={role} onChange={setRole} />
      <Button type="submit" kind="primary" icon="plus" busy={busy !== null}>Make a token</Button>
      {error !== null && <Notice tone="bad">{error}</Notice>}
    </form>
  );
}
