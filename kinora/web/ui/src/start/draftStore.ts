/** Keeps the form's contents over visits of other pages, and all but its files over a reload. */
import { isString, readStored, writeStored } from "../ui/useStored";
import { firstDraft, type Draft } from "./draft";

const NAME = "draft";
/** Files can be kept in this page only. */
let files: readonly File[] = [];

export function keepDraft(draft: Draft): void {
  files = draft.files;
  const fileName = draft.files.map((file) => file.name).join(", ") || draft.fileName;
  writeStored(NAME, { ...draft, files: [], fileName });
}

export function keptDraft(): Draft {
  const first = firstDraft(readStored("device", "auto", isString));
  return { ...first, ...readStored<Partial<Draft>>(NAME, {}, isPartOf(first)), device: first.device, files };
}

/** A check that a stored value has only fields of `draft`, each of the same type; another version may have stored it. */
function isPartOf(draft: Draft) {
  return (value: unknown): value is Partial<Draft> =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(value).every(([name, field]) => {
      if (name === "plugins") return Array.isArray(field) && field.every(isChoice);
      return name in draft && typeof field === typeof draft[name as keyof Draft];
    });
}

function isChoice(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { name, options, every = 1, side = false, replicas = 1 } = value as Record<string, unknown>;
  const turns = typeof every === "number" && typeof side === "boolean" && typeof replicas === "number";
  return typeof name === "string" && typeof options === "object" && options !== null && turns;
}
