import type { Role } from "../api/session";

/** What a role allows, in words. */
export const ROLES: Readonly<Record<Role, string>> = { view: "may read and watch", operate: "may do everything" };
