import type { FrameData, FramePayload, JsonObject } from "../api/generated";

/** The frame that a message is about, with these results. */
export function frameOf(payload: FramePayload, results: JsonObject): FrameData {
  const { frame_id, index, timestamp_ms, width, height, file } = payload;
  return { frame_id, index, timestamp_ms, width, height, results, ...(file !== undefined && { file }) };
}
