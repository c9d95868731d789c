import type { StageState } from "../api/generated";
import { count } from "../ui/format";

/** The number of frames that a plugin has done, and why it has not done all of them. */
export function framesInWords(done: number, stage: StageState | undefined): string {
  const words = [count(done, "frame")];
  if (stage && stage.every > 1) words.push(`1 in ${stage.every}`);
  if (stage?.side) words.push("at the side");
  if (stage && stage.passed_over > 0) words.push(`${stage.passed_over} passed over`);
  return words.join(" · ");
}
