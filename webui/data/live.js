// The socket on which the server tells what changes. It is opened while somebody watches something, opened again when it
// is lost, and then all is watched anew: the server first says how things stand, so nothing is missed.
import { signal } from '../vendor/signals.js';
import { loggedOut } from './api.js';
import { whoAmI } from './session.js';

/** @typedef {{ what: 'job' | 'jobs' | 'workers', jobId?: string }} Item */
/** @typedef {{ state: 'off' | 'opening' | 'live' | 'lost' | 'back', at: number, next: number }} Link */

/** How the link is; `at`: since when, `next`: when it is tried again (ms). */
export const link = signal(/** @type {Link} */ ({ state: 'off', at: 0, next: 0 }));

/** What is read anew each time that the link is there again after it was lost. @type {Set<() => Promise<boolean>>} */
const reads = new Set();

/**
 * Read anew whenever the link is back; what is returned ends it.
 * @param {() => Promise<boolean>} read whether it succeeded: only then is it said that nothing was missed
 */
export function whenBack(read) {
  reads.add(read);
  return () => {
    reads.delete(read);
  };
}

const FIRST_MS = 1000;
const LONGEST_MS = 15000;
const BACK_MS = 3000;
const UNAUTHORIZED = 4401;
/** How often the server is asked for a sign of life; one that owes two answers is not there. */
const BEAT_MS = 6000;

/** @type {Map<string, { item: Item, tell: Set<(items: any[]) => void> }>} */
const watched = new Map();
/** @type {WebSocket | null} */
let socket = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let tries = 0;
/** Whether there was a time in which nothing was heard. */
let missed = false;
let numbered = 0;
/** Questions for a sign of life that nothing was heard after. */
let unheard = 0;

/** @param {Item} item */
const keyOf = (item) => `${item.what} ${item.jobId ?? ''}`;

/** @param {string} op @param {Item} item */
function say(op, item) {
  if (socket?.readyState !== WebSocket.OPEN) return;
  send(socket, op, [item]);
}

/** @param {WebSocket} to @param {string} op @param {Item[]} items */
function send(to, op, items) {
  numbered += 1;
  to.send(JSON.stringify({ op, id: numbered, items }));
}

/**
 * Be told of changes; what is returned ends it.
 * @param {Item} item
 * @param {(items: any[]) => void} tell
 */
export function watch(item, tell) {
  const key = keyOf(item);
  let entry = watched.get(key);
  if (!entry) {
    entry = { item, tell: new Set() };
    watched.set(key, entry);
    say('watch', item);
  }
  entry.tell.add(tell);
  if (!socket && timer === undefined) open();
  return () => {
    entry.tell.delete(tell);
    if (entry.tell.size || watched.get(key) !== entry) return;
    watched.delete(key);
    say('unwatch', item);
  };
}

/** Try at once, without waiting for the next time. */
export function tryNow() {
  if (socket) return;
  clearTimeout(timer);
  timer = undefined;
  open();
}

/** Close the socket, as when nobody is logged in any more. */
export function stopLive() {
  clearTimeout(timer);
  timer = undefined;
  const old = socket;
  socket = null;
  old?.close();
  link.value = { state: 'off', at: Date.now(), next: 0 };
}

function open() {
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const mine = new WebSocket(`${scheme}//${location.host}/ws`, 'cmdexec.v1');
  socket = mine;
  beatOn(mine);
  if (link.value.state === 'off') link.value = { state: 'opening', at: Date.now(), next: 0 };
  mine.addEventListener('open', () => {
    if (socket === mine) opened();
  });
  mine.addEventListener('message', (event) => {
    if (socket !== mine || typeof event.data !== 'string') return;
    unheard = 0;
    tries = 0;
    const told = JSON.parse(event.data);
    for (const frame of Array.isArray(told) ? told : [told]) heard(frame);
  });
  mine.addEventListener('close', (event) => {
    if (socket === mine) lost(event.code);
  });
}

/** Pages do not see the pings of a socket, so they ask for an answer themselves. @param {WebSocket} mine */
function beatOn(mine) {
  unheard = 0;
  const beat = setInterval(() => {
    if (socket !== mine) {
      clearInterval(beat);
    } else if (unheard >= 2) {
      clearInterval(beat);
      mine.close();
      lost(0);
    } else {
      unheard += 1;
      if (mine.readyState === WebSocket.OPEN) send(mine, 'unwatch', []);
    }
  }, BEAT_MS);
}

function opened() {
  const wasLost = missed;
  missed = false;
  for (const { item } of watched.values()) say('watch', item);
  link.value = { state: 'live', at: Date.now(), next: 0 };
  if (wasLost) void caughtUp(link.value);
}

/** Read all that is shown anew, and say so once nothing of it is old any more. @param {Link} since */
async function caughtUp(since) {
  const done = await Promise.all([...reads].map((read) => read()));
  if (link.value !== since || !done.every(Boolean)) return;
  link.value = { ...since, state: 'back' };
  setTimeout(() => {
    if (link.value.state === 'back') link.value = { ...link.value, state: 'live' };
  }, BACK_MS);
}

/** @param {{ op?: string, items?: any[] }} frame */
function heard(frame) {
  if (!frame.op || !frame.items) return;
  for (const { item, tell } of watched.values()) {
    if (item.what !== frame.op) continue;
    const mine = item.jobId ? frame.items.filter((one) => one.jobId === item.jobId) : frame.items;
    if (mine.length) for (const one of tell) one(mine);
  }
}

/** Nobody is logged in: trying again is of no use before somebody is. */
function restIfOver() {
  if (loggedOut.value) stopLive();
}

/** @param {number} code */
function lost(code) {
  socket = null;
  missed = true;
  if (code === UNAUTHORIZED) void whoAmI().then(restIfOver);
  tries += 1;
  const wait = Math.min(LONGEST_MS, FIRST_MS * 2 ** (tries - 1)) * (0.5 + Math.random() / 2);
  const since = link.value.state === 'lost' ? link.value.at : Date.now();
  link.value = { state: 'lost', at: since, next: Date.now() + wait };
  timer = setTimeout(() => {
    timer = undefined;
    open();
  }, wait);
}
