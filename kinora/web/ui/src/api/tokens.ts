/** The calls about tokens, and about links that sign a browser in. */
import { at } from "./base";
import type { LoginLink, TokenInfo, TokenList, TokenMade } from "./generated";
import { call, getJson, postJson } from "./http";
import type { Role } from "./session";

export async function getTokens(signal?: AbortSignal): Promise<TokenInfo[]> {
  return (await getJson<TokenList>(at("/v1/tokens"), signal)).tokens;
}

export async function makeToken(name: string, role: Role): Promise<TokenMade> {
  return (await (await postJson(at("/v1/tokens"), { name, role })).json()) as TokenMade;
}

export async function revokeToken(id: string): Promise<void> {
  await call(at(`/v1/tokens/${encodeURIComponent(id)}`), { method: "DELETE" });
}

/** A link that signs a browser in with this token, once. */
export async function makeLink(token: string): Promise<LoginLink> {
  return (await (await postJson(at("/v1/session/link"), { token })).json()) as LoginLink;
}
