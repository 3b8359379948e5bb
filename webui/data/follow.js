// A job's output as it comes: server-sent events, read by `fetch` so that a reader who lost the connection goes on at the
// exact byte (`Last-Event-ID`, which the browser's own EventSource would not let us begin with).
import { ApiError, loggedOut, request } from './api.js';
import { link } from './live.js';

/** @typedef {{ event: string, id: string, data: any }} Told */

const FIRST_MS = 500;
const LONGEST_MS = 10000;

/** @param {string} text @returns {Uint8Array} */
export function bytesOf(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at += 1) bytes[at] = raw.charCodeAt(at);
  return bytes;
}

/**
 * The events of a stream, one after the other.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<Told>}
 */
async function* events(body) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      let end;
      while ((end = rest.indexOf('\n\n')) >= 0) {
        const told = { event: '', id: '', data: /** @type {any} */ (null) };
        for (const line of rest.slice(0, end).split('\n')) {
          if (line.startsWith('event: ')) told.event = line.slice(7);
          else if (line.startsWith('id: ')) told.id = line.slice(4);
          else if (line.startsWith('data: ')) told.data = JSON.parse(line.slice(6));
        }
        rest = rest.slice(end + 2);
        if (told.event) yield told;
      }
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}

/** Until somebody looks at this tab. @param {AbortSignal} until */
function seen(until) {
  return new Promise((resolve) => {
    if (!document.hidden) resolve(undefined);
    document.addEventListener('visibilitychange', () => resolve(undefined), { once: true, signal: until });
    until.addEventListener('abort', () => resolve(undefined));
  });
}

/**
 * Bounds one connection: a tab that nobody looks at gives it up, since a browser has few to one server; and so does one
 * whose server is silent on the socket of changes, as both would be silent on a dead line.
 * @param {AbortSignal} until
 */
function bounded(until) {
  const own = new AbortController();
  let answered = false;
  let wasLost = link.peek().state === 'lost';
  const stop = link.subscribe(({ state }) => {
    const isLost = state === 'lost';
    if (isLost !== wasLost && (isLost || !answered)) own.abort();
    wasLost = isLost;
  });
  const onHidden = () => document.hidden && own.abort();
  document.addEventListener('visibilitychange', onHidden);
  const end = () => {
    stop();
    document.removeEventListener('visibilitychange', onHidden);
    own.abort();
  };
  until.addEventListener('abort', end, { signal: own.signal });
  return { signal: own.signal, end, answered: () => (answered = true) };
}

/** @param {number} ms @param {AbortSignal} until */
function pause(ms, until) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    until.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}

/** Until somebody is logged in again. @param {AbortSignal} until */
function logIn(until) {
  return new Promise((resolve) => {
    let stop = () => {};
    stop = loggedOut.subscribe((isOut) => {
      if (isOut) return;
      resolve(undefined);
      queueMicrotask(() => stop());
    });
    until.addEventListener('abort', () => {
      stop();
      resolve(undefined);
    });
  });
}

/**
 * Follow until the job's end, through whatever happens to the server meanwhile.
 * @param {{ jobId: string, attempt: number | null, from: string, until: AbortSignal,
 *   tell: (told: Told) => void, cut: (isCut: boolean) => void }} how `from`: a point to begin at, `attempt:stdout:stderr`
 * @returns {Promise<void>} when all has come, or `until` says so; raises ApiError for what will not get better
 */
export async function follow({ jobId, attempt, from, until, tell, cut }) {
  const query = attempt === null ? 'follow=1' : `follow=1&attempt=${attempt}`;
  let point = from;
  let wait = FIRST_MS;
  while (!until.aborted) {
    await seen(until);
    if (until.aborted) return;
    const own = bounded(until);
    try {
      const headers = { Accept: 'text/event-stream', ...(point ? { 'Last-Event-ID': point } : {}) };
      const path = `/api/jobs/${encodeURIComponent(jobId)}/output?${query}`;
      const response = await request('GET', path, { headers, signal: own.signal });
      own.answered();
      cut(false);
      if (!response.body) return;
      for await (const told of events(response.body)) {
        wait = FIRST_MS;
        if (told.id) point = told.id;
        tell(told);
        if (told.event === 'end') return;
      }
      if (attempt !== null) return;
    } catch (fault) {
      if (until.aborted) return;
      if (fault instanceof ApiError && fault.status === 401) {
        cut(true);
        await logIn(until);
        continue;
      }
      if (fault instanceof ApiError && fault.status >= 400 && fault.status < 500 && fault.status !== 429) throw fault;
    } finally {
      own.end();
    }
    if (until.aborted) return;
    if (document.hidden) continue;
    cut(true);
    await pause(wait, until);
    wait = Math.min(LONGEST_MS, wait * 2);
  }
}
