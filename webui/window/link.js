// What the worker tells this window, and what it is told. The token of this launch came in the address's fragment; it is
// taken out of there at once, kept in memory alone, and shown in a header.
import { signal } from '../vendor/signals.js';
import { ApiError } from '../data/api.js';
import { W } from './words.js';

/** @typedef {import('../types/window.js').State} State */
/** @typedef {import('../types/window.js').Entry} Entry */

const HEADER = 'X-Window-Token';
const AGAIN_MS = 500;
/** Entries that are kept. */
const ENTRIES_MAX = 2000;

const token = location.hash.slice(1);
history.replaceState(null, '', location.pathname);

/** The worker as it said last; null before it said anything. @type {import('../vendor/signals.js').Signal<State | null>} */
export const state = signal(null);

/** When that came, on the clock of `performance`. */
export const toldAt = signal(0);

/** Why nothing comes: '' while something does, 'gone' when nobody answers, 'stranger' when this page is not believed. */
export const silence = signal('');

/** How often the window's close button was pressed, as far as that was answered; before this page came it was. */
export const answered = signal(0);

/** What happened, the newest first. @type {import('../vendor/signals.js').Signal<Entry[]>} */
export const entries = signal([]);

/**
 * @param {string} method
 * @param {string} path
 * @param {{ body?: unknown, until?: AbortSignal }} [more]
 */
async function request(method, path, { body, until } = {}) {
  /** @type {Record<string, string>} */
  const headers = { [HEADER]: token };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body), signal: until ?? null });
  } catch {
    throw new ApiError(0, { code: 'away', message: W.gone });
  }
  if (response.ok) return response;
  let error = { code: 'unreadable', message: W.unreadable };
  try {
    error = (await response.json()).error;
  } catch {
    // What answered is no worker of ours.
  }
  throw new ApiError(response.status, error);
}

/** @param {string} path */
export const ask = async (path) => (await request('GET', path)).json();

/** @param {string} path @param {unknown} [body] */
export const order = async (path, body = {}) => (await request('POST', path, { body })).json();

/**
 * The lines of an answer that goes on.
 * @param {string} path
 * @param {AbortSignal} [until]
 */
export async function* lines(path, until) {
  const response = await request('GET', path, until ? { until } : {});
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
        yield JSON.parse(rest.slice(0, end));
        rest = rest.slice(end + 1);
      }
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}

/** @param {Omit<State, 'jobs'> & { jobs: State['jobs'] | null }} told */
function heard(told) {
  if (told.activity.length) entries.value = [...[...told.activity].reverse(), ...entries.value].slice(0, ENTRIES_MAX);
  toldAt.value = performance.now();
  if (!state.peek()) answered.value = told.closeAsked;
  state.value = { ...told, jobs: told.jobs ?? state.peek()?.jobs ?? [] };
  silence.value = '';
}

/** Hear all that the worker says, for as long as this page is there. */
export async function followState() {
  for (;;) {
    try {
      for await (const told of lines(`/api/state?after=${entries.value[0]?.number ?? 0}`)) heard(told);
    } catch (fault) {
      if (fault instanceof ApiError && fault.status === 401) {
        silence.value = state.peek() ? 'gone' : 'stranger';  // another worker may have got its port
        return;
      }
    }
    silence.value = 'gone';
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}
