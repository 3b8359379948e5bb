// Joining a server with a code.
import { html } from '../html.js';
import { useEffect } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { asApiError } from '../data/api.js';
import { Button, Trouble, toast } from '../parts/basics.js';
import { Field } from '../parts/field.js';
import { ask, order, state } from './link.js';
import { W } from './words.js';

/** @param {import('../types/window.js').Problem[]} problems @param {string} name */
export const faultOf = (problems, name) => problems.filter((one) => one.field === name).map((one) => `${one.message} ${one.mend}`).join(' ');

/** Whether a server answers there, said in a toast. @param {string} server */
export async function testServer(server) {
  try {
    toast((await order('/api/test', { server })).text, true);
  } catch (fault) {
    toast(asApiError(fault).text, true);
  }
}

/** The code that was tried last: where it is refused, whoever mistyped it wants to see it. */
let tried = '';

/** @param {{ server: string, onDone?: () => void }} props `server`: the one that is known */
export function JoinForm({ server, onDone }) {
  const wrong = state.value?.why?.code === 'bad_join_token' ? state.value.why : null;
  const url = useSignal(server);
  const code = useSignal(wrong ? tried : '');
  const allow = useSignal(false);
  const offered = useSignal(false);
  useEffect(() => void ask('/api/configuration').then(({ fields }) => {
    const host = fields.find((/** @type {import('../types/window.js').Field} */ one) => one.field === 'allow_host');
    offered.value = host.value !== true && host.fixed === null;
  }).catch(() => {}), []);
  const busy = useSignal(false);
  const problems = useSignal(/** @type {import('../types/window.js').Problem[]} */ ([]));
  const error = useSignal(/** @type {import('../data/api.js').ApiError | null} */ (null));
  const refused = wrong ? [wrong.message, wrong.mend].filter(Boolean).join(' ') : '';
  const join = async (/** @type {Event} */ event) => {
    event.preventDefault();
    error.value = null;
    if (!code.value.trim()) {
      problems.value = [{ field: 'JOIN_TOKEN', message: W.codeMissing, mend: '', key: null }];
      return;
    }
    busy.value = true;
    tried = code.value;
    try {
      const told = await order('/api/join', { token: code.value, server: url.value || null, allowHost: allow.value });
      problems.value = told.problems;
      if (!told.problems.length) onDone?.();
    } catch (fault) {
      error.value = asApiError(fault);
    }
    busy.value = false;
  };
  return html`<form class="join" onSubmit=${join}>
    <div class="side-by-side">
    <${Field} label=${W.server} name="server" value=${url.value} hint=${W.serverHint} error=${faultOf(problems.value, 'SERVER_URL')}
      onInput=${(/** @type {string} */ text) => (url.value = text)} autofocus />
    <${Field} label=${W.code} name="code" value=${code.value} mono hint=${W.codeHint} error=${faultOf(problems.value, 'JOIN_TOKEN') || refused}
      onInput=${(/** @type {string} */ text) => (code.value = text)} />
    </div>
    ${offered.value ? html`<div class="field">
      <label class="tick"><input type="checkbox" name="allow_host" checked=${allow.value}
        onChange=${(/** @type {any} */ event) => (allow.value = event.currentTarget.checked)} /><span>${W.allowHost(state.value?.user ?? '')}</span></label>
      <p class="hint">${W.allowHostHint} ${state.value?.needsHost ? '' : W.containersToo}</p>
      ${faultOf(problems.value, 'ALLOW_HOST') ? html`<p class="fault">${faultOf(problems.value, 'ALLOW_HOST')}</p>` : null}
    </div>` : null}
    <${Trouble} error=${error.value} />
    <div class="acts">
      <${Button} onClick=${() => testServer(url.value)}>${W.test}<//>
      <${Button} type="submit" kind="primary" busy=${busy.value}>${W.join}<//>
    </div>
  </form>`;
}
