// Calls of the API by the browser's own session. Whatever goes wrong is an `ApiError` with words for a person.
import { signal } from '../vendor/signals.js';
import { S } from '../strings.js';
import { heardTime } from '../words/time.js';

/** Set when a call was told that nobody is logged in. */
export const loggedOut = signal(false);

export class ApiError extends Error {
  /**
   * @param {number} status 0: no answer came
   * @param {{ code: string, message: string, field?: string, mend?: string }} error
   * @param {number} [retryAfter] seconds
   */
  constructor(status, error, retryAfter) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.field = error.field ?? '';
    this.mend = error.mend ?? '';
    this.retryAfter = retryAfter ?? 0;
  }

  /** All of it in one line. */
  get text() {
    return this.mend ? `${this.message} ${this.mend}` : this.message;
  }
}

/** @param {unknown} fault @returns {ApiError} */
export function asApiError(fault) {
  if (fault instanceof ApiError) return fault;
  return new ApiError(0, { code: 'away', message: S.serverAway });
}

/** @param {Response} response @returns {Promise<ApiError>} */
async function refused(response) {
  const after = Number(response.headers.get('Retry-After')) || 0;
  try {
    return new ApiError(response.status, (await response.json()).error, after);
  } catch {
    return new ApiError(response.status, { code: 'unreadable', message: S.unreadable(response.status) }, after);
  }
}

/**
 * A request whose answer is not read yet; raises ApiError for anything but success.
 * @param {string} method
 * @param {string} path
 * @param {{ body?: unknown, headers?: Record<string, string>, signal?: AbortSignal }} [more]
 */
export async function request(method, path, { body, headers, signal: until } = {}) {
  /** @type {Record<string, string>} */
  const sent = { ...headers };
  if (method !== 'GET') sent['X-Csrf'] = '1';
  if (body !== undefined) sent['Content-Type'] = 'application/json';
  const asked = Date.now();
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: sent,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: until ?? null,
    });
  } catch (fault) {
    if (until?.aborted) throw fault;
    throw asApiError(fault);
  }
  heardTime(response.headers.get('Date'), asked);
  if (response.ok) return response;
  const error = await refused(response);
  if (error.status === 401 && path !== '/api/auth/login') loggedOut.value = true;
  throw error;
}

/**
 * @template T
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {{ headers?: Record<string, string>, signal?: AbortSignal }} [more]
 * @returns {Promise<T>}
 */
export async function call(method, path, body, more) {
  const response = await request(method, path, { body, ...more });
  return response.json();
}

/** A key that makes one submission safe to repeat. */
export function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
