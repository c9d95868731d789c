/** Why a browser gives a page no camera, in sentences that say what to do. */

const INSECURE =
  "The browser gives its camera only to pages over https or localhost: open this page at such an address, or start the server with --tls-cert and --tls-key.";
const NONE = "The browser has found no camera: plug one in, and try again.";

const FAULTS: Readonly<Record<string, string>> = {
  NotAllowedError: "The browser was not allowed to use a camera: allow it beside the page's address, and try again.",
  SecurityError: "The browser's settings forbid cameras: allow them for this page, and try again.",
  NotFoundError: NONE,
  OverconstrainedError: NONE,
  NotReadableError: "The camera cannot be read: close the other program that uses it, and try again.",
  AbortError: "The camera could not be started: try again.",
};

/** The sentence about a browser that has no cameras for this page at all; null if it may have. */
export function whyNoCameras(): string | null {
  // Browsers leave it out of pages that somebody on the way could have changed, whatever its type says.
  const devices = (navigator as Partial<Navigator>).mediaDevices as Partial<MediaDevices> | undefined;
  return window.isSecureContext && devices?.getUserMedia ? null : INSECURE;
}

/** The sentence about a camera that was asked for and not given. */
export function refusalInWords(fault: unknown): string {
  const { name = "", message = "" } = (fault ?? {}) as Partial<Error>;
  return FAULTS[name] ?? `The camera could not be started: ${message === "" ? name : message}`;
}
