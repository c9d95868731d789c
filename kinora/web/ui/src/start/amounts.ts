/** What a job asks of an agent, as text and as values. */
import type { JobOptions, Json } from "../api/generated";

/** A field of the form for each. */
export interface Asked {
  cpus: string;
  gpus: string;
  /** Such as `camera_card=1, licence=2`. */
  resources: string;
}

export const ASKED_NOTHING: Asked = { cpus: "", gpus: "", resources: "" };

/** The options of a request; null if a field has no such number. */
export function optionsOf({ cpus, gpus, resources }: Asked): Pick<JobOptions, "cpus" | "gpus" | "resources"> | null {
  const [cores, cards, others] = [amountOf(cpus), amountOf(gpus), resourcesOf(resources)];
  if (cores === null || cards === null || others === null) return null;
  return { ...(cores !== undefined && { cpus: cores }), ...(cards !== undefined && { gpus: cards }), ...(others.length > 0 && { resources: Object.fromEntries(others) }) };
}

function amountOf(text: string): number | undefined | null {
  if (text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? value : null;
}

function resourcesOf(text: string): [string, number][] | null {
  const found: [string, number][] = [];
  for (const part of text.split(",").filter((each) => each.trim() !== "")) {
    const [name = "", amount = ""] = part.split("=").map((side) => side.trim());
    const value = amountOf(amount);
    if (name === "" || value === undefined || value === null) return null;
    found.push([name, value]);
  }
  return found;
}

/** The fields for a job that has these options. */
export function askedBy({ cpus, gpus, resources }: Record<string, Json>): Asked {
  const named = typeof resources === "object" && resources !== null && !Array.isArray(resources) ? Object.entries(resources) : [];
  return {
    cpus: typeof cpus === "number" && cpus !== 1 ? String(cpus) : "",
    gpus: typeof gpus === "number" && gpus !== 0 ? String(gpus) : "",
    resources: named.map(([name, amount]) => `${name}=${Number(amount)}`).join(", "),
  };
}
