/** An agent's state and what it has, in words. */
import type { AgentState } from "../api/generated";
import { bytes, count } from "../ui/format";

const KINDS: Record<AgentState["kind"], string> = {
  local: "started by this server",
  ray: "started by Ray",
  joined: "joined by itself",
};

/** Where an agent is, and who has started it. */
export function originOf({ name, host, kind }: AgentState): string {
  return host === name ? KINDS[kind] : `on ${host}, ${KINDS[kind]}`;
}

/** What all agents have and do together. */
export function fleetLine(agents: readonly AgentState[]): string {
  if (agents.length === 0) return "";
  const sum = (value: (agent: AgentState) => number) => agents.reduce((total, agent) => total + value(agent), 0);
  const busy = sum(({ load }) => load?.busy_cpus ?? 0);
  return [
    count(agents.length, "agent"),
    `${count(sum(({ jobs }) => jobs.length), "job")} on ${count(sum(({ places }) => places), "place")}`,
    `${cores(busy)} of ${count(sum(({ cpus }) => cpus), "core")} in use`,
  ].join(" · ");
}

export interface Bar {
  label: string;
  text: string;
  /** From 0 to 1. */
  share: number;
}

/** What an agent has, and how much of it is taken. */
export function barsOf(agent: AgentState): Bar[] {
  const { load, cpus, cpus_free: free, memory, places, places_free: freePlaces } = agent;
  const taken = places - freePlaces;
  return [
    { label: "Places taken", text: `${taken} of ${places}`, share: shareOf(taken, places) },
    { label: "Cores asked for", text: `${cores(cpus - free)} of ${cores(cpus)}`, share: shareOf(cpus - free, cpus) },
    ...(load === null ? [] : [
      { label: "Cores in use", text: `${cores(load.busy_cpus)} of ${cores(cpus)}`, share: shareOf(load.busy_cpus, cpus) },
      { label: "Memory", text: `${bytes(load.memory)} of ${bytes(memory)}`, share: shareOf(load.memory, memory) },
    ]),
  ];
}

/** Devices and further resources, each with what is free of it. */
export function thingsOf({ devices, gpus_free: gpus, resources, resources_free: left, shares_files: shares }: AgentState): string[] {
  const cards = devices.filter(({ kind, available }) => kind !== "cpu" && available);
  return [
    ...cards.map(({ id, name }) => `${id} ${name}`),
    ...(cards.length > 0 ? [`${gpus} of ${count(cards.length, "GPU")} free`] : []),
    ...Object.entries(resources).map(([name, amount]) => `${left[name] ?? amount} of ${amount} ${name} free`),
    ...(shares ? ["reads the server’s files"] : []),
  ];
}

const cores = (amount: number) => String(Math.round(amount * 10) / 10);

const shareOf = (part: number, whole: number) => (whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0);
