// The window: the band, the tiles, what runs here, what happened; over them the output of a job, or the settings.
import { html } from '../html.js';
import { useEffect, useRef } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { Button, Toasts } from '../parts/basics.js';
import { Dialog } from '../parts/dialog.js';
import { Segments } from '../parts/field.js';
import { StatusIcon } from '../parts/icons.js';
import { clockOf, duration, exactly, now as time, size } from '../words/time.js';
import { Band, act } from './band.js';
import { JoinForm } from './join.js';
import { answered, entries, order, silence, state } from './link.js';
import { Output } from './output.js';
import { Panel } from './panel.js';
import { W } from './words.js';

/** @typedef {import('../types/window.js').JobView} JobView */
/** @typedef {import('../types/window.js').State} State */

const JOB_LEVELS = new Set(['completed', 'failed', 'cancelled', 'declined']);
const TROUBLE = new Set(['warning', 'error', 'failed', 'declined']);
const ICONS = /** @type {Record<string, string>} */ ({ completed: 'completed', failed: 'failed', cancelled: 'cancelled', declined: 'cancelled', warning: 'offline', error: 'failed', info: 'info' });

export function App() {
  const over = useSignal(/** @type {'' | 'settings' | 'join'} */ (''));
  const output = useSignal(/** @type {{ key: string, name: string } | null} */ (null));
  const now = state.value;
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
    <${Band} openSettings=${() => (over.value = 'settings')} openJoin=${() => (over.value = 'join')} />
    ${now && silence.value !== 'stranger' ? html`<main class="window-main" data-phase=${now.phase}>
      ${now.phase === 'new'
        ? html`<section class="card join-card"><${JoinForm} server=${now.server ?? ''} /></section>`
        : html`<${Tiles} now=${now} />
          ${now.phase === 'faulty' ? html`<${Faults} now=${now} />` : null}
          <${Running} now=${now} onOutput=${(/** @type {JobView} */ job) => (output.value = { key: job.key, name: job.name })} />`}
      <${Happened} onOutput=${(/** @type {string} */ key, /** @type {string} */ name) => (output.value = { key, name })} />
    </main>` : null}
    ${output.value ? html`<${Output} key=${output.value.key} of=${output.value} onClose=${() => (output.value = null)} />` : null}
    ${over.value && now ? html`<${Panel} join=${over.value === 'join'} onClose=${() => (over.value = '')} />` : null}
    <${Closing} />
    <${Toasts} />`;
}

/** @param {{ label: string, value: string, more: string, share: number }} props */
function Tile({ label, value, more, share }) {
  const bar = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => bar.current?.style.setProperty('--share', `${Math.min(1, share) * 100}%`), [share]);
  return html`<div class="tile">
    <p class="tile-label">${label}</p>
    <p class="tile-value">${value}</p>
    <div class="tile-bar" ref=${bar}></div>
    <p class="tile-more">${more}</p>
  </div>`;
}

/** @param {{ now: State }} props */
function Tiles({ now }) {
  const { machine, jobs, slots } = now;
  if (!machine) return null;
  const { cpu, cores, cpuLimit, memoryBytes, memoryTotalBytes, memoryLimitBytes } = machine;
  return html`<section class="tiles" aria-label=${W.jobs}>
    <${Tile} label=${W.cpu} value=${W.percent(Math.round(cpu * 100))} share=${cpu}
      more=${cpuLimit === null ? W.cores(cores) : W.coresLimit(cpuLimit)} />
    <${Tile} label=${W.memory} value=${size(memoryBytes)} share=${memoryBytes / memoryTotalBytes}
      more=${memoryLimitBytes === null ? W.ofMemory(size(memoryTotalBytes)) : W.memoryLimit(size(memoryLimitBytes))} />
    <${Tile} label=${W.jobs} value=${W.ofSlots(jobs.length, slots)} share=${jobs.length / slots} more=${W.done(now.done)} />
  </section>`;
}

/** @param {{ now: State }} props */
function Faults({ now }) {
  return html`<section class="note bad faults" role="alert">
    <ul>${now.problems.map((one) => html`<li key=${one.field + one.message}><strong>${one.field}</strong> ${one.message} ${one.mend}</li>`)}</ul>
  </section>`;
}

/** @param {{ now: State, onOutput: (job: JobView) => void }} props */
function Running({ now, onOutput }) {
  const asked = useSignal(/** @type {JobView | null} */ (null));
  return html`<section class="card runs" aria-label=${W.runningHere}>
    <header><h2>${W.runningHere}</h2></header>
    ${now.jobs.length
      ? html`<ul class="rows">${now.jobs.map((job) => html`<li key=${job.key} class="row">
          <${StatusIcon} status="running" />
          <span class="cut grows" title=${job.command}>${job.name}</span>
          <span class="quiet ran">${duration(time.value - job.startedAt)}</span>
          ${job.ending ? html`<span class="quiet" title=${job.ending}>${W.cancelling}</span>` : null}
          <${Button} kind="small" onClick=${() => onOutput(job)}>${W.output}<//>
          ${job.ending ? null : html`<${Button} kind="small" onClick=${() => (asked.value = job)}>${W.cancel}…<//>`}
        </li>`)}</ul>`
      : html`<p class="inside faint">${W.noneRuns}</p>`}
    ${asked.value ? html`<${Dialog} title=${W.cancelTitle(asked.value.name)} safe=${W.back} act=${W.cancel} danger
      onAct=${() => order('/api/cancel', { key: asked.value?.key })} onClose=${() => (asked.value = null)}>
      <p class="quiet">${W.cancelText}</p>
    <//>` : null}
  </section>`;
}

/** @param {{ onOutput: (key: string, name: string) => void }} props */
function Happened({ onOutput }) {
  const level = useSignal('all');
  const wanted = useSignal('');
  const word = wanted.value.trim().toLowerCase();
  const shown = entries.value.filter((one) => (level.value === 'all' || (level.value === 'jobs' ? JOB_LEVELS : TROUBLE).has(one.level))
    && (!word || one.text.toLowerCase().includes(word)));
  return html`<section class="card happened" aria-label=${W.activity}>
    <header>
      <h2>${W.activity}</h2>
      <span class="grows"></span>
      <${Segments} label=${W.level} value=${level.value} options=${W.levels} onChange=${(/** @type {string} */ one) => (level.value = one)} />
      <input class="control find" type="search" aria-label=${W.find} placeholder=${W.find} value=${wanted.value}
        onInput=${(/** @type {any} */ event) => (wanted.value = event.currentTarget.value)} />
    </header>
    ${shown.length
      ? html`<ul class="rows">${shown.slice(0, 300).map((one) => html`<li key=${one.number} class="row entry">
          ${one.level === 'info' ? html`<span class="dot"></span>` : html`<${StatusIcon} status=${ICONS[one.level] ?? 'unknown'} />`}
          <time class="faint" title=${exactly(one.at)}>${clockOf(one.at)}</time>
          <span class="grows said">${one.text}</span>
          ${one.key ? html`<${Button} kind="small bare" onClick=${() => onOutput(one.key ?? '', one.text)}>${W.output}<//>` : null}
        </li>`)}</ul>`
      : html`<p class="inside faint">${W.nothingFound}</p>`}
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
      <${Button} kind="danger" onClick=${() => answer('/api/end')}>${W.closeEnd}<//>
      <${Button} kind="primary" onClick=${() => answer('/api/close')}>${W.closeKeep}<//>
    </div>
  </dialog>`;
}
