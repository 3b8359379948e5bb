// The window: the band, the tiles, what runs here, what happened; over them the output of a job, or the settings.
import { html } from '../html.js';
import { useEffect, useRef } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { Button, Toasts } from '../parts/basics.js';
import { Band, act } from './band.js';
import { JoinForm } from './join.js';
import { answered, silence, state } from './link.js';
import { Happened, Running } from './lists.js';
import { Output } from './output.js';
import { Panel } from './panel.js';
import { Tiles } from './tiles.js';
import { W } from './words.js';

/** @typedef {import('../types/window.js').JobView} JobView */
/** @typedef {import('../types/window.js').State} State */

/** Where there is a worker, or is about to be one. */
const WORKS = new Set(['starting', 'connecting', 'connected', 'disconnected', 'refused', 'restarting', 'ending']);

export function App() {
  const over = useSignal(/** @type {'' | 'settings' | 'join'} */ (''));
  const output = useSignal(/** @type {{ key: string, name: string } | null} */ (null));
  const now = state.value;
  const under = output.value !== null || (over.value !== '' && now !== null);
  useEffect(() => {
    const leave = (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]')) return;
      if (over.value) over.value = '';
      else output.value = null;
    };
    document.addEventListener('keydown', leave);
    return () => document.removeEventListener('keydown', leave);
  }, []);
  return html`
    <${Band} inert=${under} openSettings=${() => (over.value = 'settings')} openJoin=${() => (over.value = 'join')} />
    ${now && silence.value !== 'stranger' ? html`<main class="window-main" data-phase=${now.phase} inert=${under}>
      ${now.phase === 'new'
        ? html`<section class="card join-card"><${JoinForm} server=${now.server ?? ''} /></section>`
        : html`${WORKS.has(now.phase) && !silence.value ? html`<${Tiles} now=${now} />` : null}
          ${now.phase === 'faulty' ? html`<${Faults} now=${now} />` : null}
          ${WORKS.has(now.phase) ? html`<${Running} now=${now} onOutput=${(/** @type {JobView} */ job) => (output.value = { key: job.key, name: job.name })} />` : null}`}
      <${Happened} onOutput=${(/** @type {string} */ key, /** @type {string} */ name) => (output.value = { key, name })} />
    </main>` : null}
    ${output.value ? html`<${Output} key=${output.value.key} of=${output.value} onClose=${() => (output.value = null)} />` : null}
    ${over.value && now ? html`<${Panel} join=${over.value === 'join'} onClose=${() => (over.value = '')} />` : null}
    <${Closing} />
    <${Toasts} />`;
}

/** @param {{ now: State }} props */
function Faults({ now }) {
  return html`<section class="note bad faults" role="alert">
    <ul>${now.problems.map((one) => html`<li key=${one.field + one.message}><strong>${W.settingOf(one.field)}</strong> ${one.message} ${one.mend}</li>`)}</ul>
  </section>`;
}

/** The window's close button was pressed: what is that to mean? */
function Closing() {
  const asked = state.value?.closeAsked ?? 0;
  return asked > answered.value && !silence.value ? html`<${CloseQuestion} asked=${asked} />` : null;
}

/** @param {{ asked: number }} props */
function CloseQuestion({ asked }) {
  const place = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => place.current?.showModal(), []);
  const answer = (/** @type {string} */ path) => {
    answered.value = asked;
    if (path) void act(path);
  };
  return html`<dialog ref=${place} aria-labelledby="close-title" onClose=${() => answer('')}>
    <h2 id="close-title">${W.closeTitle}</h2>
    <p class="quiet">${W.closeText(state.value?.jobs.length ?? 0)}</p>
    <div class="acts answers">
      <${Button} onClick=${() => answer('')}>${W.stay}<//>
      <${Button} onClick=${() => answer('/api/end')}>${W.closeEnd}<//>
      <${Button} kind="primary" onClick=${() => answer('/api/close')}>${W.closeKeep}<//>
    </div>
  </dialog>`;
}
