import { useEffect, useSyncExternalStore } from "react";
import { Button, IconButton } from "../ui/Button";
import { count } from "../ui/format";
import { deletions } from "./Deletions";

/** Says what was deleted, and takes it back; shown for as long as that is possible. */
export function UndoBar() {
  const { ids, error } = useSyncExternalStore(deletions.subscribe, deletions.get);
  useEffect(() => {
    const leave = () => deletions.finish(true);
    window.addEventListener("pagehide", leave);
    return () => window.removeEventListener("pagehide", leave);
  }, []);
  if (ids.length === 0 && error === null) return null;
  return (
    <div className="undo-bar" role={error === null ? "status" : "alert"}>
      <span>{error ?? `${count(ids.length, "job")} deleted.`}</span>
      {error === null && <Button kind="quiet" icon="again" onClick={deletions.undo}>Undo</Button>}
      <IconButton icon="close" label={error === null ? "Delete now" : "Close"} onClick={() => deletions.finish()} />
    </div>
  );
}
