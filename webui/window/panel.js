// The settings: shown with where they come from, saved with each fault at its field.
import { html } from '../html.js';
import { useEffect } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { asApiError } from '../data/api.js';
import { Button, Trouble, toast } from '../parts/basics.js';
import { Field } from '../parts/field.js';
import { Icon } from '../parts/icons.js';
import { useFocus } from './focus.js';
import { JoinForm, faultOf, testServer } from './join.js';
import { ask, order, state } from './link.js';
import { W } from './words.js';

/** @typedef {import('../types/window.js').Field} Setting */
/** @typedef {import('../types/window.js').Problem} Problem */

/** @param {{ join: boolean, onClose: () => void }} props */
export function Panel({ join, onClose }) {
  const place = useFocus();
  return html`<div class="panel" ref=${place} tabindex="-1" role="dialog" aria-modal="true" aria-label=${join ? W.joinAgain : W.settings}>
    <header>
      <h2 class="grows">${join ? W.joinAgain : W.settings}</h2>
      <${Button} kind="small bare" label=${W.close} onClick=${onClose}><${Icon} sign="close" /><//>
    </header>
    ${join ? html`<div class="panel-body"><${JoinForm} server=${state.value?.server ?? ''} onDone=${onClose} /></div>` : html`<${Settings} onClose=${onClose} />`}
  </div>`;
}

/** @param {{ onClose: () => void }} props */
function Settings({ onClose }) {
  const fields = useSignal(/** @type {Setting[]} */ ([]));
  const file = useSignal('');
  const aside = useSignal(/** @type {string | null} */ (null));
  const changed = useSignal(/** @type {Record<string, string | boolean | null>} */ ({}));
  const problems = useSignal(/** @type {Problem[]} */ ([]));
  const error = useSignal(/** @type {import('../data/api.js').ApiError | null} */ (null));
  const busy = useSignal(false);
  const known = new Set(fields.value.map((one) => one.name));
  const standing = state.value?.phase === 'faulty' ? state.value.problems : [];
  const all = problems.value.length ? problems.value : standing;
  const read = async () => {
    try {
      const told = await ask('/api/configuration');
      fields.value = told.fields;
      file.value = told.file;
      aside.value = told.aside;
    } catch (fault) {
      error.value = asApiError(fault);
    }
  };
  useEffect(() => void read(), []);
  /** @param {Record<string, string | boolean | null>} values */
  const send = async (values) => {
    busy.value = true;
    error.value = null;
    try {
      const told = await order('/api/save', { values });
      problems.value = told.problems;
      if (!told.problems.length) {
        toast(W.saved(told.jobs) + (told.aside ? ` ${W.isAside(told.aside)}` : ''));
        onClose();
      }
    } catch (fault) {
      error.value = asApiError(fault);
    }
    busy.value = false;
  };
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!Object.keys(changed.value).length) toast(W.unchanged);
    else void send(Object.fromEntries(Object.entries(changed.value).map(([key, value]) => [key, value === '' ? null : value])));
  };
  const put = (/** @type {string} */ key, /** @type {string | boolean | null} */ value) => (changed.value = { ...changed.value, [key]: value });
  const server = fields.value.find((one) => one.field === 'server_url');
  return html`<form class="panel-form" onSubmit=${save}>
    <div class="panel-body">
      ${aside.value ? html`<p class="note bad" role="alert">${W.putsAside(file.value, aside.value)}</p>` : null}
      <${Others} problems=${all.filter((one) => !known.has(one.field) || one.key !== null)} out=${changed.value} onTakeOut=${(/** @type {string} */ key) => put(key, null)} />
      ${fields.value.filter((one) => one.fixed === null).map((one) => html`<${Setting} key=${one.field} of=${one} value=${changed.value[one.field] ?? undefined}
        fault=${faultOf(all, one.name)} onPut=${(/** @type {string | boolean} */ value) => put(one.field, value)} />`)}
      <${Elsewhere} fields=${fields.value.filter((one) => one.fixed !== null)} problems=${all} />
      <${Trouble} error=${error.value} />
      <p class="hint">${W.savedIn(file.value)}</p>
      <p class="hint">${W.about(state.value?.version ?? '', state.value?.folder ?? '')}</p>
    </div>
    <footer>
      <${Button} onClick=${() => testServer(String(changed.value.server_url ?? server?.value ?? state.value?.server ?? ''))}>${W.test}<//>
      <span class="grows"></span>
      <${Button} type="submit" kind="primary" busy=${busy.value}>${W.save}<//>
    </footer>
  </form>`;
}

/**
 * What is wrong and has no field here.
 * @param {{ problems: Problem[], out: Record<string, unknown>, onTakeOut: (key: string) => void }} props `out`: keys that go
 */
function Others({ problems, out, onTakeOut }) {
  if (!problems.length) return null;
  return html`<div class="note bad" role="alert">
    <p>${W.faults}</p>
    <ul class="others">${problems.map((one) => html`<li key=${one.field + one.message}>
      <span class="grows"><strong>${one.field}</strong> ${one.message} ${one.mend}</span>
      ${one.key === null ? null : Object.hasOwn(out, one.key) ? html`<span class="quiet">${W.goesOut}</span>`
        : html`<${Button} kind="small" onClick=${() => onTakeOut(one.key ?? '')}>${W.takeOut}<//>`}
    </li>`)}</ul>
  </div>`;
}

/** What may be written there. @param {Setting} of */
function hintOf(of) {
  if (of.field === 'allow_host') return W.allowHostHint;
  if (of.field === 'worker_token_secret') return of.isSet ? W.secretSet : W.secretUnset;
  if (of.field === 'server_url') return state.value?.server && !of.isSet ? W.joinedServer(state.value.server) : W.serverHint;
  return W.hints[of.field]?.(of.usual) ?? '';
}

/** @param {Setting} of */
const labelOf = (of) => (of.field === 'allow_host' ? W.allowHost(state.value?.user ?? '') : W.labels[of.field] ?? of.name);

/** @param {Setting} of */
const valueOf = (of) => (typeof of.value === 'boolean' ? W.truth(of.value) : of.value ?? (of.isSet ? W.isSet : ''));

/** What cannot be changed here, by what sets it. @param {{ fields: Setting[], problems: Problem[] }} props */
function Elsewhere({ fields, problems }) {
  return [...new Set(fields.map((one) => one.fixed))].map((why) => html`<section class="elsewhere" key=${why}>
    <p class="hint">${why}</p>
    <dl>${fields.filter((one) => one.fixed === why).map((one) => html`<div key=${one.field}>
      <dt>${labelOf(one)}</dt>
      <dd>${valueOf(one)}${faultOf(problems, one.name) ? html`<p class="fault">${faultOf(problems, one.name)}</p>` : null}</dd>
    </div>`)}</dl>
  </section>`);
}

/**
 * @param {{ of: Setting, value: string | boolean | undefined, fault: string, onPut: (value: string | boolean) => void }} props
 *   `value`: what was typed, if anything was
 */
function Setting({ of, value, fault, onPut }) {
  const label = labelOf(of);
  if (typeof of.value === 'boolean') {
    return html`<div class="field">
      <label class="tick"><input type="checkbox" name=${of.field} checked=${value ?? of.value}
        onChange=${(/** @type {any} */ event) => onPut(event.currentTarget.checked)} /><span>${label}</span></label>
      <p class="hint">${hintOf(of)}</p>
      ${fault ? html`<p class="fault">${fault}</p>` : null}
    </div>`;
  }
  const secret = of.field === 'worker_token_secret';
  return html`<${Field} label=${label} name=${of.field} type=${secret ? 'password' : 'text'} value=${String(value ?? of.value ?? '')}
    hint=${hintOf(of)} error=${fault} onInput=${onPut} />`;
}
