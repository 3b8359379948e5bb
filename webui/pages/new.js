// A new job: what shall run, where it may, and what to do when it fails. Faults stand at their fields.
import { html } from '../html.js';
import { useEffect, useRef } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { asApiError, call } from '../data/api.js';
import { EMPTY, Fault, draftOf, jobOf, keep, kept, namesMore } from '../data/draft.js';
import { askOnce } from '../data/once.js';
import { mayNot } from '../data/session.js';
import { go, place } from '../router.js';
import { S } from '../strings.js';
import { Button, Trouble } from '../parts/basics.js';
import { Field, Segments } from '../parts/field.js';
import { visible } from '../words/foreign.js';
import { now, serverNow, size } from '../words/time.js';

/** @typedef {import('../data/draft.js').Draft} Draft */

const KNOWN = new Set([
  'command', 'name', 'tags', 'cpu', 'ramMb', 'requires', 'env', 'timeoutSec', 'maxRetries', 'retryOn', 'onLost', 'priority',
  'killGraceSec', 'runAt', 'ttlSec', 'backoff.firstSec', 'backoff.maxSec', 'maxLost',
  'containerImage', 'network', 'pull', 'user',
]);

/** The part of a field's path that has a place in the form. @param {string} field */
const placeOf = (field) => (KNOWN.has(field) ? field : field.split(/[.[]/, 1)[0]);

export function NewJobPage() {
  const from = place.value.query.get('from');
  const draft = useSignal(/** @type {Draft} */ (kept(from) ?? { ...EMPTY }));
  const faults = useSignal(/** @type {Record<string, string>} */ ({}));
  const error = useSignal(/** @type {import('../data/api.js').ApiError | null} */ (null));
  const busy = useSignal(false);
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const again = useSignal(0);
  const cleared = useSignal(/** @type {Draft | null} */ (null));
  const isOld = useSignal(false);
  const begin = () => {
    const typed = kept(from);
    draft.value = typed ?? { ...EMPTY };
    isOld.value = Boolean(from && typed);
    if (!from || typed) return;
    call('GET', `/api/jobs/status?jobId=${encodeURIComponent(from)}`).then(
      (job) => {
        if (!kept(from)) draft.value = draftOf(/** @type {any} */ (job));
      },
      (fault) => (error.value = asApiError(fault)),
    );
  };
  useEffect(() => {
    document.title = `${S.newJob} · ${S.product}`;
    begin();
  }, [from]);
  const startAnew = () => {
    keep(from, null);
    begin();
  };
  const clear = () => {
    again.value = 0;
    cleared.value = draft.value;
    isOld.value = false;
    draft.value = { ...EMPTY };
    keep(from, null);
  };
  const bringBack = () => {
    draft.value = cleared.value ?? draft.value;
    cleared.value = null;
    keep(from, draft.value);
  };
  const put = (/** @type {string} */ name) => (/** @type {string} */ value) => {
    again.value = 0;
    cleared.value = null;
    draft.value = { ...draft.value, [name]: value };
    keep(from, draft.value);
  };
  const forbidden = mayNot('run jobs');
  const refused = forbidden ? S.onlyFor(forbidden) : '';
  const fault = (/** @type {string} */ field, /** @type {string} */ text) => {
    faults.value = { [field]: text };
    requestAnimationFrame(() => {
      const first = form.current?.querySelector('[aria-invalid]');
      if (!(first instanceof HTMLElement)) return;
      first.closest('details')?.setAttribute('open', '');
      first.focus();
    });
  };
  const send = async () => {
    if (busy.value || refused) return;
    busy.value = true;
    again.value = 0;
    error.value = null;
    faults.value = {};
    try {
      /** @type {import('../types/api.js').JobView} */
      const job = await askOnce(`new job ${from ?? ''}`, '/api/jobs/create', jobOf(draft.value));
      keep(from, null);
      go(`/jobs/${job.jobId}`);
    } catch (caught) {
      busy.value = false;
      if (caught instanceof Fault) {
        fault(caught.field, caught.message);
        return;
      }
      const told = asApiError(caught);
      const field = placeOf(told.field);
      if (KNOWN.has(field)) fault(field, told.text);
      else error.value = told;
      if (told.status === 429 && told.retryAfter) again.value = serverNow() + told.retryAfter * 1000;
    }
  };
  const latest = useRef(send);
  latest.current = send;
  useEffect(() => {
    if (!again.value) return undefined;
    const timer = setTimeout(() => void latest.current(), again.value - serverNow());
    return () => clearTimeout(timer);
  }, [again.value]);
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void send();
    }
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void send();
  };
  return html`<div class="page">
    <header class="title-bar"><h1>${S.newJob}</h1></header>
    <form class="form" ref=${form} onSubmit=${submit} onKeyDown=${onKey} novalidate>
      ${isOld.value
        ? html`<div class="note"><p>${S.editedBefore}</p>
            <${Button} kind="small" onClick=${startAnew}>${S.startFromJob}<//></div>`
        : null}
      ${draft.value.stdinBytes
        ? html`<div class="note doubt"><p>${S.stdinLeft(size(Number(draft.value.stdinBytes)))}</p></div>`
        : null}
      <${What} draft=${draft.value} put=${put} faults=${faults.value} />
      <${Needs} draft=${draft.value} put=${put} faults=${faults.value} />
      <${Ends} draft=${draft.value} put=${put} faults=${faults.value} />
      <${Container} draft=${draft.value} put=${put} faults=${faults.value} />
      <${More} draft=${draft.value} put=${put} faults=${faults.value} />
      <${Trouble} error=${error.value} />
      ${again.value ? html`<${SendsAgain} at=${again.value} onCancel=${() => (again.value = 0)} />` : null}
      <div class="row-of sticky">
        <${Button} type="submit" kind="primary" busy=${busy.value} refused=${refused}>${S.doRun}<kbd>${S.runKey}</kbd><//>
        ${cleared.value
          ? html`<${Button} kind="bare" onClick=${bringBack}>${S.bringBack}<//>`
          : html`<${Button} kind="bare" onClick=${clear}>${S.clearAll}<//>`}
        ${refused ? html`<p class="quiet">${refused}</p>` : null}
      </div>
    </form>
  </div>`;
}

/** That it waits, for how long, and a way out. @param {{ at: number, onCancel: () => void }} props */
function SendsAgain({ at, onCancel }) {
  const left = Math.max(0, Math.ceil((at - now.value) / 1000));
  return html`<div class="note">
    <p aria-hidden="true">${S.sendsAgain(left)}</p>
    <${Button} kind="small" onClick=${onCancel}>${S.doNotSend}<//>
  </div>`;
}

/** @typedef {{ draft: Draft, put: (name: string) => (value: string) => void, faults: Record<string, string> }} Part */

/** @param {Part} props */
function What({ draft, put, faults }) {
  const rows = Math.min(12, Math.max(3, draft.command.split('\n').length));
  return html`<div class="command-field">
    <${Segments} label=${S.commandKind} value=${draft.kind} onChange=${put('kind')}
      options=${{ shell: S.shell, arguments: S.arguments }} />
    <${Field} label=${S.command} name="command" value=${draft.command} onInput=${put('command')} lines=${rows} mono=${true}
      autofocus=${true} error=${faults.command} hint=${draft.kind === 'shell' ? S.commandHint : S.argumentsHint} />
  </div>`;
}

/** @param {Part} props */
function Needs({ draft, put, faults }) {
  return html`<fieldset>
    <legend>${S.needs}</legend>
    <div class="fields">
      <${Field} label=${S.cpu} name="cpu" optional=${true} value=${draft.cpu} onInput=${put('cpu')} hint=${S.cpuHint} error=${faults.cpu} />
      <${Field} label=${S.ram} name="ram" optional=${true} value=${draft.ram} onInput=${put('ram')} hint=${S.ramHint} error=${faults.ramMb} />
      <${Field} label=${S.requires} name="requires" optional=${true} value=${draft.requires} onInput=${put('requires')} lines=${2} mono=${true}
        hint=${S.requiresHint} error=${faults.requires} />
    </div>
  </fieldset>`;
}

/** @param {Part} props */
function Ends({ draft, put, faults }) {
  const lost = (/** @type {string} */ value, /** @type {string} */ text) => html`<label class="tick">
    <input type="radio" name="onLost" value=${value} checked=${draft.onLost === value} onChange=${() => put('onLost')(value)} />${text}
  </label>`;
  const again = !['', '0'].includes(draft.retries.trim()) || draft.backoffFirst !== '' || draft.backoffMax !== '';
  return html`<fieldset>
    <legend>${S.ifFails}</legend>
    <div class="fields">
      <${Field} label=${S.howOften} name="retries" number=${true} value=${draft.retries} onInput=${put('retries')} error=${faults.maxRetries} />
      <${Field} label=${S.retryOn} name="retryOn" optional=${true} value=${draft.retryOn} onInput=${put('retryOn')} hint=${S.retryOnHint}
        error=${faults.retryOn} />
      ${again
        ? html`<${Field} label=${S.backoffFirst} name="backoffFirst" optional=${true} value=${draft.backoffFirst}
              onInput=${put('backoffFirst')} hint=${S.backoffFirstHint} error=${faults['backoff.firstSec']} />
            <${Field} label=${S.backoffMax} name="backoffMax" optional=${true} value=${draft.backoffMax}
              onInput=${put('backoffMax')} hint=${S.backoffMaxHint} error=${faults['backoff.maxSec']} />`
        : null}
    </div>
  </fieldset>
  <fieldset>
    <legend>${S.ifLost}</legend>
    ${lost('hold', S.lostHold)} ${lost('requeue', S.lostRequeue)}
    ${draft.onLost === 'requeue'
      ? html`<div class="fields"><${Field} label=${S.maxLost} name="maxLost" number=${true} optional=${true} value=${draft.maxLost}
          onInput=${put('maxLost')} hint=${S.maxLostHint} error=${faults.maxLost} /></div>`
      : null}
  </fieldset>`;
}

/** What it runs in. The rest is asked once there is an image. @param {Part} props */
function Container({ draft, put, faults }) {
  return html`<details open=${draft.image !== ''}>
    <summary>${S.container}</summary>
    <div class="fields">
      <${Field} label=${S.image} name="image" optional=${true} value=${draft.image} onInput=${put('image')} mono=${true} hint=${S.imageHint}
        error=${faults.containerImage} />
      ${draft.image.trim()
        ? html`<${Field} label=${S.network} name="network" value=${draft.network} onInput=${put('network')} options=${S.networks}
              hint=${S.networkHint} error=${faults.network} />
            <${Field} label=${S.pull} name="pull" value=${draft.pull} onInput=${put('pull')} options=${S.pulls} error=${faults.pull} />
            <${Field} label=${S.user} name="user" optional=${true} value=${draft.user} onInput=${put('user')} hint=${S.userHint}
              error=${faults.user} />`
        : null}
    </div>
  </details>`;
}

/** @param {Part} props */
function More({ draft, put, faults }) {
  return html`<details open=${[draft.env, draft.envMore, draft.timeout, draft.killGrace, draft.runAt, draft.ttl].some(Boolean)}>
      <summary>${S.envAndTimes}</summary>
      <div class="fields">
        <${Field} label=${S.env} name="env" optional=${true} value=${draft.env} onInput=${put('env')} lines=${3} mono=${true} hint=${S.envHint}
          error=${faults.env} />
        ${draft.envMore ? html`<p class="note">${S.envMore(namesMore(draft).map(visible).join(', '))}</p>` : null}
        <${Field} label=${S.timeLimit} name="timeout" optional=${true} value=${draft.timeout} onInput=${put('timeout')} hint=${S.timeHint}
          error=${faults.timeoutSec} />
        <${Field} label=${S.killGrace} name="killGrace" optional=${true} value=${draft.killGrace} onInput=${put('killGrace')}
          hint=${S.killGraceHint} error=${faults.killGraceSec} />
        <${Field} label=${S.runAt} name="runAt" optional=${true} value=${draft.runAt} onInput=${put('runAt')} hint=${S.runAtHint}
          error=${faults.runAt} />
        <${Field} label=${S.ttl} name="ttl" optional=${true} value=${draft.ttl} onInput=${put('ttl')} hint=${S.ttlHint}
          error=${faults.ttlSec} />
      </div>
    </details>
    <details open=${draft.name !== '' || draft.tags !== '' || draft.priority !== ''}>
      <summary>${S.nameAndTags}</summary>
      <div class="fields">
        <${Field} label=${S.name} name="name" optional=${true} value=${draft.name} onInput=${put('name')} hint=${S.nameHint} error=${faults.name} />
        <${Field} label=${S.tags} name="tags" optional=${true} value=${draft.tags} onInput=${put('tags')} lines=${2} hint=${S.tagsHint}
          error=${faults.tags} />
        <${Field} label=${S.priority} name="priority" number=${true} optional=${true} value=${draft.priority} onInput=${put('priority')}
          hint=${S.priorityHint} error=${faults.priority} />
      </div>
    </details>`;
}
