/** What a job was started with, as far as the server does not say: its plugins' options, and the file that was sent. */
import type { JsonObject } from "../api/generated";
import { readStored, writeStored } from "../ui/useStored";
import type { Draft } from "./draft";

type Remembered = Record<string, Record<string, JsonObject>>;
const REMEMBERED = 50;

const isRemembered = (value: unknown): value is Remembered => typeof value === "object" && value !== null;
const allOptions = () => readStored("options", {}, isRemembered);

/** They hold no bytes, only where those are; a browser gives them to this page alone, and to none after it. */
const files = new Map<string, File>();

export function remember(jobId: string, { plugins, kind, file }: Draft): void {
  const own = Object.fromEntries(plugins.map(({ name, options }) => [name, options]));
  const entries = [...Object.entries(allOptions()), [jobId, own] as const];
  writeStored("options", Object.fromEntries(entries.slice(-REMEMBERED)));
  if (kind === "upload" && file) files.set(jobId, file);
}

/** By plugin. */
export const rememberedOptions = (jobId: string): Record<string, JsonObject> => allOptions()[jobId] ?? {};

export const rememberedFile = (jobId: string): File | null => files.get(jobId) ?? null;
