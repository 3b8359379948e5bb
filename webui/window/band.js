// The band at the top: how the worker stands, in one sentence with one act.
import { html } from '../html.js';
import { useEffect, useRef } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { Button, toast } from '../parts/basics.js';
import { StatusIcon } from '../parts/icons.js';
import { asApiError } from '../data/api.js';
import { order, silence, state, toldAt } from './link.js';
import { W } from './words.js';

/** @typedef {import('../types/window.js').State} State */
/** @typedef {{ icon: string, title: string, text: string, short?: boolean, acts?: [string, () => unknown, string?][] }} Said */

const COUNT_MS = 200;

/** Do it, and say what went wrong if anything did. @param {string} path @param {unknown} [body] */
export async function act(path, body) {
  try {
    return await order(path, body);
  } catch (fault) {
    toast(asApiError(fault).text, true);
    return null;
  }
}

/** @param {string | null} server */
const hostOf = (server) => (server ?? '').replace(/^\w+:\/\//, '') || 'its server';

/** @param {string | null} text one or more sentences, of which the last may lack its end */
const whole = (text) => (!text || /[.?!]$/.test(text) ? text : `${text}.`);

/** @param {State} now */
const whyOf = ({ why }) => (why ? [whole(why.message), why.mend].filter(Boolean).join(' ') : '');

/**
 * What the band says.
 * @param {State} now
 * @param {number} seconds until the next try
 * @param {{ settings: () => void, join: () => void }} open
 * @returns {Said}
 */
function said(now, seconds, open) {
  const server = hostOf(now.server);
  const n = now.jobs.length;
  switch (now.phase) {
    case 'new':
      return { icon: 'queued', title: W.newTitle, text: now.why?.code === 'bad_join_token' ? W.newText : whyOf(now) || W.newText };
    case 'faulty':
      return { icon: 'failed', title: W.faultyTitle, text: W.faultyText, acts: [[W.openSettings, open.settings, 'primary']] };
    case 'joining':
      return { icon: 'assigned', title: W.joiningTitle(server), text: `${whyOf(now)} ${W.joiningText}`.trim(), acts: [[W.change, open.join]] };
    case 'starting':
      return { icon: 'assigned', title: W.startingTitle, text: W.startingText };
    case 'connecting':
      return { icon: 'assigned', title: W.connectingTitle(server), text: W.connectingText };
    case 'connected':
      return connected(now, server);
    case 'disconnected':
      return { icon: 'offline', title: W.disconnectedTitle(seconds), text: `${whyOf(now)} ${W.runOn(n)}`, acts: [[W.tryNow, () => act('/api/try')]] };
    case 'refused':
      return { icon: 'failed', title: W.refusedTitle(server, seconds), text: whyOf(now), acts: [[W.tryNow, () => act('/api/try')], [W.joinAgain, open.join, 'primary']] };
    case 'stopped':
      return { icon: 'failed', title: W.stoppedTitle, text: stoppedText(now), acts: stoppedActs(now, open.join) };
    case 'restarting':
      return { icon: 'draining', title: W.restartingTitle(n), text: W.restartingText };
    case 'ending':
      return { icon: 'draining', title: W.endingTitle(n), text: n ? W.endingJobs(n) : W.endingText, acts: n ? [[W.endNow(n), () => act('/api/end'), 'danger']] : [] };
    default:
      return { icon: 'unknown', title: now.phase, text: '' };
  }
}

/** @param {State} now @param {string} server @returns {Said} */
function connected(now, server) {
  const n = now.jobs.length;
  if (now.paused) return { icon: 'draining', title: W.pausedTitle, text: W.noNew(n), acts: [[W.resume, () => act('/api/pause', { paused: false }), 'primary']] };
  if (now.drained) return { icon: 'draining', title: W.drainedTitle, text: `${W.noNew(n)} ${W.drainedText}` };
  return {
    icon: 'online', title: W.connectedTitle(server), text: now.trouble ?? now.slowLink ?? W.connectedText(n, now.slots, now.name), short: !(now.trouble ?? now.slowLink),
    acts: [[W.pause, () => act('/api/pause', { paused: true })]],
  };
}

/** Why it has stopped; how a command line mends that is not the way here. @param {State} now */
function stoppedText(now) {
  return now.why?.code === 'forbidden' ? `${now.why.message} ${W.joinMends}` : whyOf(now);
}

/** @param {State} now @param {() => void} join @returns {[string, () => unknown, string?][]} */
function stoppedActs(now, join) {
  const again = () => act('/api/again');
  if (now.why?.code === 'forbidden' || now.why?.code === 'bad_join_token') return [[W.joinAgain, join, 'primary']];
  return [[now.why?.code === 'replaced' ? W.takeBack : W.startAgain, again, 'primary']];
}

/** Milliseconds until the next try, as time passes. @param {State | null} now */
function useCountdown(now) {
  const left = useSignal(0);
  useEffect(() => {
    const count = () => {
      left.value = now?.nextTryMs == null ? 0 : Math.max(0, now.nextTryMs - (performance.now() - toldAt.peek()));
    };
    count();
    const timer = setInterval(count, COUNT_MS);
    return () => clearInterval(timer);
  }, [now]);
  return left.value;
}

/** @param {{ inert: boolean, openSettings: () => void, openJoin: () => void }} props `inert`: something lies over it */
export function Band({ inert, openSettings, openJoin }) {
  const now = state.value;
  const left = useCountdown(now);
  const bar = useRef(/** @type {HTMLElement | null} */ (null));
  const share = now?.nextTryMs == null || !now.waitMs ? 0 : Math.min(1, left / now.waitMs);
  useEffect(() => bar.current?.style.setProperty('--share', `${share * 100}%`), [share]);
  const { icon, title, text, short = false, acts = [] } = shown(now, Math.ceil(left / 1000), { settings: openSettings, join: openJoin });
  return html`<header class="band" inert=${inert}>
    <div class="band-row">
      <${StatusIcon} status=${icon} large />
      <div class="band-said" role="status">
        <h1>${title}</h1>
        <p class=${`quiet ${short ? 'short' : ''}`} title=${short ? text : null}>${text}</p>
      </div>
      <div class="band-acts">
        ${acts.map(([word, onClick, kind = '']) => html`<${Button} key=${word} kind=${kind} onClick=${onClick}>${word}<//>`)}
        ${now && !silence.value && now.phase !== 'ending' ? html`<${Button} kind="bare" label=${W.settings} onClick=${openSettings}><${Gear} /><//>` : null}
      </div>
    </div>
    <div class=${`countdown ${icon} ${share > 0 ? '' : 'still'}`} ref=${bar}></div>
  </header>`;
}

/** @param {State | null} now @param {number} seconds @param {{ settings: () => void, join: () => void }} open @returns {Said} */
function shown(now, seconds, open) {
  if (silence.value === 'stranger') return { icon: 'failed', title: W.strangerTitle, text: W.strangerText };
  if (!now) return { icon: 'assigned', title: W.readingTitle, text: silence.value ? W.gone : '' };
  if (silence.value) return { icon: 'offline', title: W.goneTitle, text: W.goneText };
  return said(now, seconds, open);
}

function Gear() {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
    <circle cx="8" cy="8" r="2.2" />
    <path d="M8 1.8v1.7M8 12.5v1.7M1.8 8h1.7M12.5 8h1.7M3.6 3.6l1.2 1.2M11.2 11.2l1.2 1.2M12.4 3.6l-1.2 1.2M4.8 11.2l-1.2 1.2" />
  </svg>`;
}
