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
    // Not the server's own answer, but that of a proxy, for example.
  }
  const message = problem.detail ?? problem.title ?? `The server answered ${response.status} ${response.statusText}.`;
  return new ApiError(message, response.status, problem.errors ?? []);
}
