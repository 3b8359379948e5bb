// What runs here, and what happened.
import { html } from '../html.js';
import { useRef } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { Button } from '../parts/basics.js';
import { Dialog } from '../parts/dialog.js';
import { Segments } from '../parts/field.js';
import { StatusIcon } from '../parts/icons.js';
import { clockOf, duration, exactly, now as time } from '../words/time.js';
import { entries, order, silence } from './link.js';
import { Rows } from './rows.js';
import { W } from './words.js';

/** @typedef {import('../types/window.js').JobView} JobView */

const JOB_LEVELS = new Set(['completed', 'failed', 'cancelled', 'declined']);
const TROUBLE = new Set(['warning', 'error', 'failed', 'declined']);
const ICONS = /** @type {Record<string, string>} */ ({ completed: 'completed', failed: 'failed', cancelled: 'cancelled', declined: 'cancelled', warning: 'offline', error: 'failed', info: 'info' });
/** Entries that are drawn at first, and at each wish for more. */
const DRAWN = 60;

/** @param {{ now: import('../types/window.js').State, onOutput: (job: JobView) => void }} props */
export function Running({ now, onOutput }) {
  const asked = useSignal(/** @type {JobView | null} */ (null));
  const heard = useRef(time.value);
  const gone = silence.value !== '';
  if (!gone) heard.current = time.value;
  const at = heard.current;
  const title = gone ? W.ranHere : W.runningHere;
  return html`<section class="card runs" aria-label=${title}>
    <header><h2>${title}</h2></header>
    ${now.jobs.length
      ? html`<${Rows} items=${now.jobs} draw=${(/** @type {JobView} */ job, /** @type {object} */ of) => html`<li key=${job.key} class="row" ...${of}>
          <${StatusIcon} status=${gone ? 'offline' : 'running'} />
          <span class="cut grows" title=${job.command}>${job.name}</span>
          <span class="quiet ran">${duration(at - job.startedAt)}</span>
          ${job.ending ? html`<span class="quiet" title=${job.ending}>${W.cancelling}</span>` : null}
          ${gone ? null : html`<${Button} kind="small" onClick=${() => onOutput(job)}>${W.output}<//>`}
          ${gone || job.ending ? null : html`<${Button} kind="small" onClick=${() => (asked.value = job)}>${W.cancel}…<//>`}
        </li>`} />`
      : html`<p class="inside faint">${W.noneRuns}</p>`}
    ${asked.value && !gone ? html`<${Dialog} title=${W.cancelTitle(asked.value.name)} safe=${W.back} act=${W.cancelIt} danger
      onAct=${() => order('/api/cancel', { key: asked.value?.key })} onClose=${() => (asked.value = null)}>
      <p class="quiet">${W.cancelText}</p>
    <//>` : null}
  </section>`;
}

/** @param {{ onOutput: (key: string, name: string) => void }} props */
export function Happened({ onOutput }) {
  const level = useSignal('all');
  const wanted = useSignal('');
  const drawn = useSignal(DRAWN);
  const word = wanted.value.trim().toLowerCase();
  const shown = entries.value.filter((one) => (level.value === 'all' || (level.value === 'jobs' ? JOB_LEVELS : TROUBLE).has(one.level))
    && (!word || one.text.toLowerCase().includes(word)));
  const older = shown.length - drawn.value;
  return html`<section class="card happened" aria-label=${W.activity}>
    <header>
      <h2 class="grows">${W.activity}</h2>
      <${Segments} label=${W.level} value=${level.value} options=${W.levels} onChange=${(/** @type {string} */ one) => (level.value = one)} />
      <input class="control find" type="search" aria-label=${W.find} placeholder=${W.find} value=${wanted.value}
        onInput=${(/** @type {any} */ event) => (wanted.value = event.currentTarget.value)} />
    </header>
    ${shown.length
      ? html`<ul class="rows">${shown.slice(0, drawn.value).map((one) => html`<li key=${one.number} class="row entry">
          ${one.level === 'info' ? html`<span class="dot"></span>` : html`<${StatusIcon} status=${ICONS[one.level] ?? 'unknown'} />`}
          <time class="faint" title=${exactly(one.at)}>${clockOf(one.at)}</time>
          <span class="grows said">${one.text}</span>
          ${one.key && !silence.value ? html`<${Button} kind="small bare" onClick=${() => onOutput(one.key ?? '', one.text)}>${W.output}<//>` : null}
        </li>`)}
        ${older > 0 ? html`<li class="row"><${Button} kind="small bare" onClick=${() => (drawn.value += DRAWN)}>${W.older(older)}<//></li>` : null}</ul>`
      : html`<p class="inside faint">${W.nothingFound}</p>`}
  </section>`;
}
