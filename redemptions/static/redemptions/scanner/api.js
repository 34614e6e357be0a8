/* Calls of the scanner API, and what their answers are worth. */

import { read } from "./settings.js";

export const APP_VERSION = "1.0.0";
export const TIMEOUT_MS = 8000;
const API = "/api/v1/";

/* randomUUID() exists on https only; this exists everywhere. */
export const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/* Returns {status, type, body, waitS}; status 0 where nothing came back that is ours. Never throws.
 *
 * A redirect is no answer: it is the login page of the Wi-Fi, or a proxy's. No cookie travels along: the device's token
 * is all that counts, also where the owner is logged in to the admin. */
export async function call(method, path, { key, body, anonymous = false } = {}) {
  // In the language of the page, whatever the browser would ask for: staff read both.
  const language = document.documentElement.lang;
  const headers = { Accept: "application/json", "Accept-Language": language, "X-App-Version": APP_VERSION };
  const token = read("token");
  if (token && !anonymous) headers.Authorization = `Token ${token}`;
  if (key) headers["Idempotency-Key"] = key;
  if (body) headers["Content-Type"] = "application/json";
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  try {
    const response = await fetch(API + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      signal: abort.signal,
      redirect: "error",
      credentials: "omit",
      cache: "no-store",
    });
    return {
      status: response.status,
      type: response.headers.get("Content-Type") ?? "",
      waitS: Number(response.headers.get("Retry-After")) || 0,
      body: response.status === 204 ? {} : ((await response.json()) ?? {}),
    };
  } catch {
    return { status: 0, type: "", waitS: 0, body: {} };
  } finally {
    clearTimeout(timer);
  }
}

export const isProblem = (answer) => answer.type.startsWith("application/problem+json") && Boolean(answer.body.code);
export const isRefusal = (answer) => answer.status === 409 && isProblem(answer) && answer.body.retryable !== true;
export const isSuccess = (answer) => answer.status >= 200 && answer.status < 300 && Boolean(answer.body.result);

/* Returns what an answer is to the sender:
 *
 *   answer   it is settled
 *   faulty   the server cannot take it as it is; repeating is no use, forgetting is no option
 *   stranger the device is not known; all waits for a new link
 *   old      this page is too old for the server
 *   gone     nothing came back: the network is away
 *   none     something came back that is no answer
 */
export function worth(answer) {
  if (isSuccess(answer) || isRefusal(answer)) return "answer";
  if (answer.status === 0) return "gone";
  if (!isProblem(answer)) return "none";
  if ([400, 413, 415, 422].includes(answer.status)) return "faulty";
  if (answer.status === 401 || (answer.status === 403 && answer.body.code === "device_revoked")) return "stranger";
  return answer.status === 426 ? "old" : "none";
}
