/** A picture as a binary message: the header's length (4 bytes, big-endian), the header as JSON, the JPEG. */
import type { FrameImageHeader } from "../api/generated";

export interface BinaryPicture {
  jobId: string;
  index: number;
  jpeg: Blob;
}

/** The picture in a message; null if the message has another form. */
export function parsePicture(data: ArrayBuffer): BinaryPicture | null {
  if (data.byteLength < 4) return null;
  const length = new DataView(data).getUint32(0);
  if (4 + length > data.byteLength) return null;
  try {
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length))) as Partial<FrameImageHeader>;
    if (header.type !== "frame_image" || typeof header.job_id !== "string" || typeof header.index !== "number") {
      return null;
    }
    return {
      jobId: header.job_id,
      index: header.index,
      jpeg: new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }),
    };
  } catch {
    return null;
  }
}
