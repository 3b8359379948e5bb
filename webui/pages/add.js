// Add a worker: make a join token, paste one line on the other machine, and see it come.
import { html } from '../html.js';
import { useEffect } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { asApiError, call } from '../data/api.js';
import { Fault, numberOf, pairsOf } from '../data/draft.js';
import { mayNot } from '../data/session.js';
import { workers } from '../data/workers.js';
import { S } from '../strings.js';
import { Button, Copy, Trouble } from '../parts/basics.js';
import { GoodTokens, Revoke, useTokens } from '../parts/tokens.js';
import { Field, Segments } from '../parts/field.js';
import { StatusIcon } from '../parts/icons.js';
import { visible } from '../words/foreign.js';

/** @typedef {import('../types/api.js').JoinTokenView} JoinToken */

/** Whether these pages came by an address that leads every machine to itself. */
const isThisMachine = /^(?:localhost|.*\.localhost|127\..*|\[::1\])$/.test(location.hostname);

export function AddWorkerPage() {
  const platform = useSignal('linux');
  const made = useSignal(/** @type {JoinToken | null} */ (null));
  const { tokens, look } = useTokens(!mayNot('manage workers'));
  const others = tokens.filter((one) => one.state === 'good' && one.joinTokenId !== made.value?.joinTokenId);
  const onMade = (/** @type {JoinToken} */ token) => {
    made.value = token;
    void look();
  };
  useEffect(() => {
    document.title = `${S.addWorker} · ${S.product}`;
  }, []);
  return html`<div class="page">
    <p class="crumbs"><a href="/workers">${S.workers}</a> /</p>
    <header class="title-bar"><h1>${S.addWorker}</h1></header>
    <div class="form">
      <fieldset>
        <legend>1 · ${S.platform}</legend>
        <${Segments} label=${S.platform} value=${platform.value} options=${S.platforms}
          onChange=${(/** @type {string} */ value) => (platform.value = value)} />
      </fieldset>
      ${platform.value === 'linux'
        ? html`<${Make} made=${made.value} onMade=${onMade} />
            ${made.value ? html`<${Paste} token=${made.value} known=${tokens} look=${look} />` : null}
            <${GoodTokens} tokens=${others} look=${look} />`
        : html`<p class="prose">${S.otherSystems} <a href="/api/docs#worker">${S.sixCalls}</a></p>`}
    </div>
  </div>`;
}

/** @param {{ made: JoinToken | null, onMade: (token: JoinToken) => void }} props */
function Make({ made, onMade }) {
  const uses = useSignal('1');
  const lifetime = useSignal('3600');
  const labels = useSignal('');
  const faults = useSignal(/** @type {Record<string, string>} */ ({}));
  const error = useSignal(/** @type {import('../data/api.js').ApiError | null} */ (null));
  const busy = useSignal(false);
  const forbidden = mayNot('manage workers');
  const refused = forbidden ? S.onlyFor(forbidden) : '';
  const make = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (busy.value || refused) return;
    busy.value = true;
    error.value = null;
    faults.value = {};
    try {
      const body = { uses: numberOf(uses.value, 'uses'), expiresSec: Number(lifetime.value), labels: pairsOf(labels.value, 'labels', { trimmed: true }) };
      onMade(await call('POST', '/api/join-tokens', body));
    } catch (fault) {
      const field = fault instanceof Fault ? fault.field : asApiError(fault).field.split('.', 1)[0];
      const text = fault instanceof Fault ? fault.message : asApiError(fault).text;
      if (['uses', 'expiresSec', 'labels'].includes(field)) faults.value = { [field]: text };
      else error.value = asApiError(fault);
    } finally {
      busy.value = false;
    }
  };
  return html`<form onSubmit=${make} novalidate>
    <fieldset>
      <legend>2 · ${S.joinToken}</legend>
      <div class="fields">
        <${Field} label=${S.uses} number=${true} value=${uses.value} error=${faults.value.uses}
          onInput=${(/** @type {string} */ value) => (uses.value = value)} />
        <${Field} label=${S.goodFor} value=${lifetime.value} options=${S.lifetimes} error=${faults.value.expiresSec}
          onInput=${(/** @type {string} */ value) => (lifetime.value = value)} />
        <${Field} label=${S.labels} optional=${true} lines=${2} mono=${true} value=${labels.value} hint=${S.requiresHint}
          error=${faults.value.labels} onInput=${(/** @type {string} */ value) => (labels.value = value)} />
      </div>
      <${Trouble} error=${error.value} />
      <div class="row-of">
        <${Button} type="submit" kind=${made ? '' : 'primary'} busy=${busy.value} refused=${refused}>${S.makeIt}<//>
        ${refused ? html`<p class="quiet">${refused}</p>` : null}
      </div>
    </fieldset>
  </form>`;
}

/** @param {{ token: JoinToken, known: JoinToken[], look: () => Promise<void> }} props `token` as it was made, `known` as they are now */
function Paste({ token, known, look }) {
  const current = known.find((one) => one.joinTokenId === token.joinTokenId) ?? token;
  const over = current.state === 'revoked' ? S.tokenRevoked : current.state === 'expired' ? S.tokenExpired : '';
  const line = `cmdexec worker --headless --allow-host --server ${location.origin} --join ${token.token ?? ''}`;
  return html`<fieldset>
    <legend>3 · ${S.paste}</legend>
    <div class="paste"><pre class="command" data-line>${line}</pre><${Copy} text=${line} kind="" /></div>
    ${isThisMachine ? html`<div class="note doubt"><p>${S.onlyHere(location.hostname)}</p></div>` : null}
    <p class="hint">${S.pasteHint}</p>
    <${Joiners} token=${current} />
    <div class="hint">${S.tokenOnce}
      ${over ? html` <strong>${over}</strong>` : html` <${Revoke} id=${token.joinTokenId} look=${look} />`}</div>
  </fieldset>`;
}

/** Who has joined with it, with what the worker said of itself. @param {{ token: JoinToken }} props */
function Joiners({ token }) {
  const here = (workers.value ?? []).filter((one) => token.workers.includes(one.workerId));
  return html`<ul class="joiners" role="status">
    ${here.map(
      (one) => html`<li key=${one.workerId}><${StatusIcon} status=${one.state} />
        ${S.joined(visible(one.name), one.cpu ? S.cores(one.cpu) : '')} <a class="button small" href="/workers">${S.openWorkers}</a></li>`,
    )}
    ${['good', 'used'].includes(token.state) && here.length < token.uses ? html`<li class="quiet"><${StatusIcon} status="queued" />${S.waitingForIt}</li>` : null}
  </ul>`;
}
