import { at } from "../api/base";

/** The path of realtime messages, which is not there where realtime is off. */
export const REALTIME_PATH = at("/v1/realtime");

/** The address to connect to. */
export const REALTIME_ADDRESS = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${REALTIME_PATH}`;
