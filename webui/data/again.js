// Whatever could not be read is asked for again by itself, until it is there.
import { loggedOut } from './api.js';

/** @typedef {import('./api.js').ApiError} ApiError */

const AGAIN_MS = 2500;

/** Whether asking again may help: the server was away or busy, and did not refuse. @param {ApiError} error */
const mayHeal = (error) => error.status === 0 || error.status === 429 || error.status >= 500;

/**
 * Read again some seconds after each failure, and once somebody is logged in again; what is returned ends it.
 * @param {import('../vendor/signals.js').Signal<ApiError | null>} error the last failure; null: none
 * @param {() => Promise<unknown>} read sets `error`
 */
export function tryUntilRead(error, read) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const stop = error.subscribe((fault) => {
    clearTimeout(timer);
    if (!fault || !mayHeal(fault)) return;
    timer = setTimeout(() => void read(), Math.max(AGAIN_MS, fault.retryAfter * 1000));
  });
  const forget = loggedOut.subscribe((isOut) => {
    if (!isOut && error.peek()?.status === 401) void read();
  });
  return () => {
    stop();
    forget();
    clearTimeout(timer);
  };
}
