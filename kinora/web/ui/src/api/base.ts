/** The server's addresses, under whatever path a proxy shows this page. */

/** The folder of the page, without its last slash: empty unless a proxy shows the server under a path. */
const ROOT = new URL(".", document.baseURI).pathname.replace(/\/$/, "");

/** The address of `path`, which begins with a slash, on the server of this page. */
export const at = (path: string) => ROOT + path;
