/** The time without pictures from a live source, in words. */
import type { FrameData, LostReason } from "../api/generated";
import { PUSHED } from "../api/sources";
import { moment } from "../ui/format";
import type { Outage, ShownWarning } from "./state";

const REASONS: Readonly<Record<LostReason, string>> = {
  unreachable: "camera unreachable",
  refused: "the camera refuses the connection",
  auth: "the camera wants another name or password",
  certificate: "the camera's certificate is not valid",
  no_video: "the camera has no video",
  codec: "the camera's video cannot be decoded here",
  silent: "the camera has fallen silent",
  redirected: "the camera leads to an address that is not allowed",
  closed: "the connection was closed",
};

/** The reason, a word, with which the message of a `SOURCE_LOST` begins; null for another message. */
export function reasonOf(message: string): LostReason | null {
  const word = /^\w+/.exec(message)?.[0] ?? "";
  return isReason(word) ? word : null;
}

const isReason = (word: string): word is LostReason => Object.hasOwn(REASONS, word);

/** The reason of the last outage among a job's warnings; null if there was none. */
export function lastReason(groups: readonly Pick<ShownWarning, "code" | "message">[]): LostReason | null {
  const lost = groups.findLast(({ code }) => code === "SOURCE_LOST");
  return lost ? reasonOf(lost.message) : null;
}

/** A sentence such as "No picture since 12:04: camera unreachable, trying again"; clients that push come by themselves. */
export function outageInWords({ since, why }: Outage, source: string, now = new Date()): string {
  const begin = since === null ? "No picture" : `No picture since ${moment(since, now)}`;
  if (source === PUSHED) return `${begin}: waiting for the client that pushes`;
  const reason = why === null ? "" : ` ${REASONS[why]},`;
  return `${begin}:${reason} trying again`;
}

/** When a live source gave this frame; null for other sources. */
export function receivedAt(frame: FrameData | null): string | null {
  return frame?.received_at ?? null;
}
