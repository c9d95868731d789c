import { REALTIME_ADDRESS } from "./address";
import { RealtimeClient } from "./RealtimeClient";
import { uuid } from "./uuid";

/** The time for which a picture is waited for. */
const PATIENCE_MS = 15_000;

/** The next picture that a running job makes, as JPEG.
 *
 * @throws Error if none comes in time, or it is no longer wanted.
 */
export function nextPicture(jobId: string, signal: AbortSignal): Promise<Blob> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
  return new Promise((found, failed) => {
    const onPicture = ({ jpeg }: { jpeg: Blob }) => {
      client.close();
      found(jpeg);
    };
    const client = new RealtimeClient({ url: REALTIME_ADDRESS, sessionId: uuid(), onMessage: () => undefined, onPicture });
    over.addEventListener("abort", () => {
      client.close();
      failed(new Error("The job that watches this source gives no picture now: try again later."));
    });
    client.subscribe({ job_id: [jobId], types: ["frame"], images: "binary" });
    client.connect();
  });
}
