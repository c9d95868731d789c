/** Calls to the server, with its errors in words. */
import type { FieldError, Problem } from "./generated";

/** What the server refused, or that it could not be reached (`status` 0). `message` is a sentence for people. */
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

/** The answer to a call that the server has taken.
 *
 * @throws ApiError for everything else; an abort by `init.signal` is passed on as it is.
 */
export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError("The server cannot be reached: see whether it still runs.");
  }
  if (!response.ok) throw await problemOf(response);
  return response;
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
  let problem: Partial<Problem> = {};
  try {
    problem = (await response.json()) as Partial<Problem>;
  } catch {
    // Not the server's own answer, as from a proxy between.
  }
  const message = problem.detail ?? problem.title ?? `The server answered ${response.status} ${response.statusText}.`;
  return new ApiError(message, response.status, problem.errors ?? []);
}
