// Acts that must not happen twice: the key that makes one safe to repeat is kept, in this tab and over a reload of it,
// until an answer has come. Asking again after a lost answer then brings the answer that was lost.
import { ApiError, call, freshKey } from './api.js';

const BEFORE = 'asked: ';

/** The keys where storage is shut off or full. @type {Map<string, string>} */
const held = new Map();

/** @param {string} act */
function kept(act) {
  try {
    return sessionStorage.getItem(BEFORE + act) ?? held.get(act) ?? null;
  } catch {
    return held.get(act) ?? null;
  }
}

/** @param {string} act @param {string | null} text null: it is answered */
function keep(act, text) {
  if (text) held.set(act, text);
  else held.delete(act);
  try {
    if (text) sessionStorage.setItem(BEFORE + act, text);
    else sessionStorage.removeItem(BEFORE + act);
  } catch {
    // Then a reload forgets it, and nothing else does.
  }
}

/** Of what is asked for: enough to tell whether it is the same. @param {string} text */
async function sumOf(text) {
  if (!crypto.subtle) return text;
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Ask for something that is done once, however often it is asked for; raises ApiError.
 * @template T
 * @param {string} act which act it is, in this tab
 * @param {string} path
 * @param {unknown} body asked for something else, it is another act
 * @returns {Promise<T>}
 */
export async function askOnce(act, path, body) {
  const sum = await sumOf(JSON.stringify(body));
  const before = JSON.parse(kept(act) ?? 'null');
  const key = before?.sum === sum ? before.key : freshKey();
  keep(act, JSON.stringify({ sum, key }));
  try {
    /** @type {T} */
    const answer = await call('POST', path, body, { headers: { 'Idempotency-Key': key } });
    keep(act, null);
    return answer;
  } catch (fault) {
    if (fault instanceof ApiError && fault.status >= 400 && fault.status < 500) keep(act, null);
    throw fault;
  }
}
