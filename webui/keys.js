// Keys of every page. Single letters count outside of fields only.
import { go } from './router.js';
import { signal } from './vendor/signals.js';
import { exact } from './words/time.js';

const GO = /** @type {Record<string, string>} */ ({ j: '/jobs', w: '/workers' });
const GO_MS = 1000;
const KEY = 'letters';

/** Whether the page of keys is open. */
export const keysAsked = signal(false);

/** Whether single letters do something. */
export const letters = signal(stored() !== 'off');

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** @param {boolean} on kept in this browser */
export function setLetters(on) {
  letters.value = on;
  try {
    if (on) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, 'off');
  } catch {
    // Storage may be shut off; then it holds until the page is loaded anew.
  }
}

/** Press the button that has a key, if it is on this page. @param {string} key */
function press(key) {
  const button = document.querySelector(`button[aria-keyshortcuts="${key}"]`);
  if (!(button instanceof HTMLElement)) return false;
  button.click();
  return true;
}

/** When `g` was pressed last. */
let pressed = 0;

/** @param {EventTarget | null} target */
const isField = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Move the focus among the rows of the list. @param {number} by */
function move(by) {
  const rows = [...document.querySelectorAll('a.job-row')];
  if (!rows.length) return false;
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
  if (next instanceof HTMLElement) next.focus();
  return true;
}

/** @param {KeyboardEvent} event @returns {boolean} whether the key did something */
function act(event) {
  if (event.key === '/') {
    const search = document.querySelector('input[type="search"]');
    if (!(search instanceof HTMLElement)) return false;
    search.focus();
    return true;
  }
  if (pressed && Date.now() - pressed < GO_MS && GO[event.key]) {
    pressed = 0;
    go(GO[event.key]);
    return true;
  }
  if (event.key === '?') keysAsked.value = true;
  else if (event.key === 'r' || event.key === 'e') return press(event.key);
  else if (event.key === 'g') pressed = Date.now();
  else if (event.key === 'c') go('/jobs/new');
  else if (event.key === 't') exact.value = !exact.value;
  else if (event.key === 'j' || (event.key === 'ArrowDown' && onRow())) return move(1);
  else if (event.key === 'k' || (event.key === 'ArrowUp' && onRow())) return move(-1);
  else return false;
  return true;
}

const onRow = () => document.activeElement?.classList.contains('job-row') ?? false;

/** Begin to listen. */
export function startKeys() {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector('dialog[open]') || isField(event.target)) return;
    if (!letters.value && event.key.length === 1) return;
    if (act(event)) event.preventDefault();
  });
}
