// Small parts: status words, times, buttons that say why they refuse, copying, toasts.
import { html } from '../html.js';
import { signal } from '../vendor/signals.js';
import { useState } from '../vendor/hooks.js';
import { loggedOut } from '../data/api.js';
import { S } from '../strings.js';
import { exact, exactly, now, since } from '../words/time.js';
import { Icon, StatusIcon } from './icons.js';

/** @param {{ status: string, reason?: string, word?: string }} props */
export function StatusWord({ status, reason = '', word = status }) {
  return html`<span class="status-word">
    <${StatusIcon} status=${status} />
    <span>${word}${reason ? html`<span class="quiet"> · ${reason}</span>` : null}</span>
  </span>`;
}

/** A moment in words; exact on hover and while times are exact. @param {{ at: string | number | null }} props */
export function Time({ at }) {
  if (at === null) return html`<span class="faint">${S.none}</span>`;
  const ms = typeof at === 'number' ? at : Date.parse(at);
  const whole = exactly(ms);
  return html`<time datetime=${new Date(ms).toISOString()} title=${whole}>
    ${exact.value ? whole : since(ms, now.value)}
  </time>`;
}

/**
 * A button. `refused`: why it cannot be used now; it stays reachable, and says so.
 * @param {{ children?: any, kind?: string, busy?: boolean, refused?: string, onClick?: () => unknown, type?: string,
 *   label?: string, pressed?: boolean, shortcut?: string }} props `shortcut`: the key that presses it
 */
export function Button({ children, kind = '', busy = false, refused = '', onClick, type = 'button', label, pressed, shortcut }) {
  const press = (/** @type {Event} */ event) => {
    if (refused || busy) {
      event.preventDefault();
      if (refused) toast(refused);
      return;
    }
    onClick?.();
  };
  return html`<button
    type=${type} class=${`button ${kind}`} onClick=${press} title=${refused || null} aria-label=${label ?? null}
    aria-disabled=${refused ? 'true' : null} aria-busy=${busy ? 'true' : null}
    aria-keyshortcuts=${shortcut ?? null} aria-pressed=${pressed === undefined ? null : String(pressed)}
  >${children}</button>`;
}

/** What was said lately. @type {import('../vendor/signals.js').Signal<{ id: number, text: string, stays: boolean }[]>} */
const said = signal([]);
let numbered = 0;
const TOAST_MS = 5000;

/**
 * Say something for a few seconds.
 * @param {string} text
 * @param {boolean} [stays] until its reader takes it away: what was refused has to be seen
 */
export function toast(text, stays = false) {
  numbered += 1;
  const mine = { id: numbered, text, stays };
  said.value = [...said.value.slice(-2), mine];
  if (!stays) setTimeout(() => takeAway(mine), TOAST_MS);
}

/** @param {{ id: number }} mine */
function takeAway(mine) {
  said.value = said.value.filter((one) => one !== mine);
}

/** The dialogs that are open, the one on top last: what is said has to be said over it. @type {import('../vendor/signals.js').Signal<unknown[]>} */
export const dialogs = signal([]);

/** Where toasts appear. @param {{ over?: unknown }} props `over`: the dialog that they are part of */
export function Toasts({ over }) {
  if (dialogs.value[dialogs.value.length - 1] !== over) return null;
  return html`<div class="toasts" role="status">
    ${said.value.map((one) => html`<p class="toast" key=${one.id}>${one.text}
      ${one.stays ? html`<${Button} kind="small" onClick=${() => takeAway(one)}>${S.close}<//>` : null}</p>`)}
  </div>`;
}

/** @param {string} text @returns {Promise<boolean>} */
async function copied(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed here; the older way may be.
    }
  }
  const field = document.createElement('textarea');
  field.value = text;
  field.className = 'for-readers';
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  return done;
}

/**
 * A button that copies.
 * @param {{ text: string, children?: any, kind?: string, label?: string, lacks?: string }} props `lacks`: what to say of it
 */
export function Copy({ text, children, kind = 'small bare', label = S.copy, lacks = '' }) {
  const [done, setDone] = useState(false);
  const press = async () => {
    if (await copied(text)) {
      setDone(true);
      if (lacks) toast(lacks, true);
      setTimeout(() => setDone(false), 1500);
    } else {
      toast(S.copyFailed);
    }
  };
  return html`<${Button} kind=${kind} label=${children ? undefined : label} onClick=${press}>
    <${Icon} sign="copy" />${done ? S.copied : children}
  <//>`;
}

/** What went wrong, where it did; that nobody is logged in is asked over the whole page. @param {{ error: import('../data/api.js').ApiError | null, again?: () => void }} props */
export function Trouble({ error, again }) {
  if (!error || (error.code === 'unauthorized' && loggedOut.value)) return null;
  return html`<div class="note bad" role="alert">
    <p>${error.text}</p>
    ${again ? html`<${Button} kind="small" onClick=${again}>${S.tryNow}<//>` : null}
  </div>`;
}
