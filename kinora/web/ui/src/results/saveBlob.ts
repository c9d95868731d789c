const KEEP_MS = 60_000;

/** Offer `blob` as a download called `name`. */
export function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  saveLink(url, name);
  setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
}

/** Let the browser download what is at `url`; the server may choose the name. */
export function saveLink(url: string, name = ""): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}
