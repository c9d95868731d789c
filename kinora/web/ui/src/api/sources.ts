/** Words of the API for sources. */

/** The source of a job whose pictures a client sends. */
export const PUSHED = "push:";
