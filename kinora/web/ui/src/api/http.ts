/** Requests to the server, with its errors as sentences. */
import type { FieldError, Problem } from "./generated";

/** A refusal by the server, or a server that cannot be reached (`status` 0). `message` is a sentence for people. */
export class ApiError extends Error {
  readonly status: number;
  readonly faults: readonly FieldError[];

  constructor(message: string, status = 0, faults: readonly FieldError[] = []) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.faults = faults;
  }
}

const UNAUTHORIZED = 401;
let refused: () => void = () => undefined;

/** Call `listener` whenever the server wants a token, or another one, for what the page asks. */
export function onRefused(listener: () => void): void {
  refused = listener;
}

/** Tell that the server wants a token: an answer or a closed connection says so. */
export function tellRefused(): void {
  refused();
}

/** Send a request and return the answer if it is a success.
 *
 * @throws ApiError for every other answer and for none; an abort by `init.signal` is passed on unchanged.
 */
export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError("The server cannot be reached: check that it is running.");
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === UNAUTHORIZED) tellRefused();
  throw problem;
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await call(path, signal ? { signal } : {});
  return (await response.json()) as T;
}

export function postJson(path: string, body?: unknown): Promise<Response> {
  if (body === undefined) return call(path, { method: "POST" });
  return call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function problemOf(response: Response): Promise<ApiError> {
  try {
    return problemIn(await response.json(), response.status, response.statusText);
  } catch {
    // Not the server's own answer, but that of a proxy, for example.
    return problemIn({}, response.status, response.statusText);
  }
}

/** The error that an answer with this body, status and reason means. */
export function problemIn(body: unknown, status: number, reason: string): ApiError {
  const problem = (body ?? {}) as Partial<Problem>;
  const message = problem.detail ?? problem.title ?? `The server answered ${status} ${reason}.`;
  return new ApiError(message, status, problem.errors ?? []);
}
