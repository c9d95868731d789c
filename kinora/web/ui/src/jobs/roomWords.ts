import type { HealthDetails } from "../api/generated";
import { bytes, count, moment } from "../ui/format";

/** What the server uses, in one line. */
export function roomLine(room: HealthDetails): string {
  const jobs = Object.values<number>({ ...room.jobs }).reduce((sum, number) => sum + number, 0);
  const used = bytes(room.database_bytes + room.upload_bytes);
  const parts = [count(jobs, "job"), `${used} used${room.keep_bytes === null ? "" : ` of ${bytes(room.keep_bytes)}`}`];
  if (room.disk_free_bytes !== null) parts.push(`${bytes(room.disk_free_bytes)} free`);
  return parts.join(" · ");
}

/** What the room is used for, and what the server deletes by itself; a sentence each. */
export function roomSentences(room: HealthDetails, now = new Date()): string[] {
  const said = [`Results take ${bytes(room.database_bytes)}, uploads ${bytes(room.upload_bytes)}, videos kept for a while ${bytes(room.video_bytes)}.`];
  if (room.keep_days !== null) said.push(`A job is deleted ${days(room.keep_days)} after its end, with its results and upload.`);
  if (room.keep_bytes !== null) said.push(`Beyond ${bytes(room.keep_bytes)} the jobs that ended first are deleted.`);
  if (room.keep_days === null && room.keep_bytes === null) said.push("The server deletes no job by itself.");
  if (room.next_at !== null) said.push(`The next one goes ${when(new Date(room.next_at), now)}.`);
  if (room.disk_free_bytes !== null && room.disk_free_bytes < room.min_free_bytes) {
    said.push(`The disk has too little room: no new job is accepted below ${bytes(room.min_free_bytes)}.`);
  }
  return said;
}

function when(date: Date, now: Date): string {
  if (date <= now) return "within a minute";
  return date.toDateString() === now.toDateString()
    ? `at ${moment(date.toISOString(), now)}`
    : `on ${date.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" })}`;
}

function days(number: number): string {
  return number < 1 ? count(Math.round(number * 24), "hour") : count(number, "day");
}
