// Workers: who is here, how full each is, what is wrong with those that are not, and what an admin can do about it.
import { html } from '../html.js';
import { useEffect, useLayoutEffect, useRef } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { asApiError, call } from '../data/api.js';
import { mayNot } from '../data/session.js';
import { titleBy, wantTitles } from '../data/titles.js';
import { learn, readWorkers, workers, workersError } from '../data/workers.js';
import { place, refine } from '../router.js';
import { S } from '../strings.js';
import { Button, StatusWord, Trouble, toast } from '../parts/basics.js';
import { Dialog } from '../parts/dialog.js';
import { Field } from '../parts/field.js';
import { Icon } from '../parts/icons.js';
import { Live } from '../parts/live.js';
import { visible } from '../words/foreign.js';
import { duration, exactly, memory, now, since, size } from '../words/time.js';

/** @typedef {import('../types/api.js').WorkerView} Worker */

const LISTED = 4;

export function WorkersPage() {
  const all = workers.value;
  const withRevoked = place.value.query.get('state') === 'all';
  const shown = (all ?? []).filter((one) => withRevoked || one.state !== 'revoked');
  const up = shown.filter((one) => isHere(one)).length;
  const revoked = (all ?? []).filter((one) => one.state === 'revoked').length;
  const title = all?.length ? `: ${S.workersOf(up, shown.length)}` : '';
  useEffect(() => {
    document.title = `${S.workers}${title} · ${S.product}`;
  }, [title]);
  return html`<div class="page">
    <header class="title-bar">
      <h1>${S.workers}</h1>
      ${all?.length ? html`<span class="quiet">${S.workersOf(up, shown.length)}</span>` : null}
      <span class="room"></span>
      <${Live} />
      <a class="button primary" href="/workers/add"><${Icon} sign="add" />${S.addWorker}</a>
    </header>
    <${Trouble} error=${workersError.value} again=${readWorkers} />
    ${all && !shown.length
      ? html`<div class="empty"><h2>${S.noWorkers}</h2><p class="quiet">${S.noWorkersText}</p></div>`
      : html`<ul class="worker-cards">${shown.map((one) => html`<${Card} key=${one.workerId} worker=${one} />`)}</ul>`}
    ${revoked
      ? html`<label class="tick"><input type="checkbox" checked=${withRevoked}
          onChange=${() => refine({ state: withRevoked ? '' : 'all' })} />${S.showRevoked}</label>`
      : null}
  </div>`;
}

/** Why it is not simply here; '' if it is. @param {Worker} worker */
function whyOf(worker) {
  const seen = worker.lastSeenAt ? since(Date.parse(worker.lastSeenAt), now.value) : '';
  if (worker.state === 'offline') return seen ? S.awaySince(seen) : S.neverSeen;
  if (worker.state === 'lost') return seen ? S.lostSince(seen) : S.neverSeen;
  if (worker.state === 'draining') return S.drainingText(worker.jobs.length);
  return worker.state === 'revoked' ? S.revokedText : '';
}

/** @param {{ worker: Worker }} props */
function Card({ worker }) {
  const why = whyOf(worker);
  const running = worker.jobs.filter((job) => job.status === 'running').length;
  const labels = Object.entries(worker.labels);
  const { warning } = worker;
  const trouble = hasLoad(worker) ? String(worker.load?.trouble ?? '') : '';
  return html`<li class="card worker" data-worker=${worker.workerId}>
    <header>
      <${StatusWord} status=${worker.state} word=${html`<strong class="cut" title=${visible(worker.name)}>${visible(worker.name)}</strong>`} />
      <span class="room"></span>
      <span class="quiet">${S.workerStates[worker.state]}</span>
    </header>
    <div class="inside">
      ${why ? html`<p class=${`note ${worker.state === 'lost' ? 'doubt' : ''}`}>${why}</p>` : null}
      ${warning ? html`<p class="note doubt">${visible(warning.message)} ${visible(warning.mend)}</p>` : null}
      ${trouble ? html`<p class="note doubt">${S.workerTrouble(visible(trouble))}</p>` : null}
      ${isHere(worker)
        ? html`<${Meter} label=${S.slots(running, worker.slots)} share=${worker.slots ? running / worker.slots : 0} />`
        : null}
      <${Load} worker=${worker} />
      <p class="faint facts-line">${[worker.platform, worker.executors.map((one) => S.runs[one] ?? visible(one)).join(', '), worker.cpu ? S.cores(worker.cpu) : '', worker.ramMb && !hasLoad(worker) ? memory(worker.ramMb) : '', `v${worker.version}`]
        .filter(Boolean)
        .join(' · ')}</p>
      ${labels.length
        ? html`<p class="row-of">${labels.map(([name, value]) => html`<span class="tag" key=${name}>${visible(name)}=${visible(value)}</span>`)}</p>`
        : null}
      ${worker.jobs.length ? html`<${Running} worker=${worker} />` : null}
      <${Absences} of=${worker.absences ?? []} />
    </div>
    ${worker.state === 'revoked' ? null : html`<${Acts} worker=${worker} />`}
  </li>`;
}

/** How often it was away, why lately, and behind that the times before. @param {{ of: import('../types/api.js').AbsenceView[] }} props */
function Absences({ of }) {
  if (!of.length) return null;
  const [last, ...earlier] = [...of].reverse().map((one) => {
    const [began, ended] = [Date.parse(one.since), Date.parse(one.until)];
    return html`<span title=${`${exactly(began)} – ${exactly(ended)}`}>${S.wasAway(since(began, now.value), duration(ended - began), visible(one.why))}</span>`;
  });
  return html`<div class="faint">
    <p>${last}</p>
    ${earlier.length
      ? html`<details><summary>${S.awayBefore(earlier.length)}</summary><ul>${earlier.map((one, at) => html`<li key=${at}>${one}</li>`)}</ul></details>`
      : null}
  </div>`;
}

/** @param {Worker} worker */
const isHere = (worker) => ['online', 'draining', 'suspect'].includes(worker.state);

/** Whether what was heard of its load is current. @param {Worker} worker */
const hasLoad = (worker) => worker.load !== null && isHere(worker);

/** @param {{ worker: Worker }} props */
function Load({ worker }) {
  const load = worker.load;
  if (!load || !hasLoad(worker)) return null;
  const { cpu, memoryUsedBytes: used, memoryTotalBytes: total } = load;
  return html`<div class="loads">
    ${typeof cpu === 'number' ? html`<${Meter} label=${`${S.cpuLoad} ${Math.round(cpu * 100)} %`} share=${cpu} />` : null}
    ${typeof used === 'number' && total
      ? html`<${Meter} label=${`${S.memoryLoad} ${S.ofTotal(size(used), size(total))}`} share=${used / total} />`
      : null}
  </div>`;
}

/** @param {{ label: string, share: number }} props */
function Meter({ label, share }) {
  const bar = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    bar.current?.style.setProperty('--share', `${Math.round(Math.min(1, share) * 100)}%`);
  }, [share]);
  return html`<div class="meter"><span>${label}</span><div class="meter-bar" aria-hidden="true"><i ref=${bar}></i></div></div>`;
}

/** @param {{ worker: Worker }} props */
function Running({ worker }) {
  const jobs = worker.jobs.slice(0, LISTED);
  const ids = jobs.map((job) => job.jobId);
  useEffect(() => wantTitles(ids), [ids.join()]);
  const called = (/** @type {string} */ id) => {
    const title = titleBy(id);
    return title ? html`<span class="cut" title=${title}>${title}</span>` : html`<code>${id.slice(0, 13)}…</code>`;
  };
  return html`<div>
    <h3>${isHere(worker) ? S.runningHere : S.ranHere}</h3>
    <ul class="running-here">
      ${jobs.map((job) => html`<li key=${job.jobId}>
        <a href=${`/jobs/${job.jobId}`}><${StatusWord} status=${job.status} word=${called(job.jobId)} /></a>
      </li>`)}
    </ul>
    ${worker.jobs.length > LISTED
      ? html`<a class="faint" href=${`/jobs?worker=${encodeURIComponent(worker.workerId)}&status=running`}>${S.andMore(worker.jobs.length - LISTED)}</a>`
      : null}
  </div>`;
}

/** @param {Worker} worker @param {string} method @param {unknown} [body] */
async function change(worker, method, body) {
  /** @type {Worker} */
  const next = await call(method, `/api/workers/${encodeURIComponent(worker.workerId)}`, body);
  learn([next]);
}

/** @param {{ worker: Worker }} props */
function Acts({ worker }) {
  const asks = useSignal('');
  const busy = useSignal(false);
  const forbidden = mayNot('manage workers');
  const refused = forbidden ? S.onlyFor(forbidden) : '';
  const draining = worker.state === 'draining';
  const drain = async () => {
    busy.value = true;
    try {
      await change(worker, 'PATCH', { draining: !draining });
    } catch (fault) {
      toast(asApiError(fault).text, true);
    } finally {
      busy.value = false;
    }
  };
  const close = () => (asks.value = '');
  return html`<footer class="row-of">
    <${Button} kind="small" busy=${busy.value} refused=${refused} onClick=${drain}>${draining ? S.resume : S.drain}<//>
    <${Button} kind="small" refused=${refused} onClick=${() => (asks.value = 'rename')}>${S.rename}<//>
    <${Button} kind="small" refused=${refused} onClick=${() => (asks.value = 'revoke')}>${S.revoke}<//>
    ${asks.value === 'rename' ? html`<${Rename} worker=${worker} onClose=${close} />` : null}
    ${asks.value === 'revoke'
      ? html`<${Dialog} title=${S.revokeTitle(visible(worker.name))} safe=${S.keepIt} act=${S.doRevoke} danger=${true} onClose=${close}
          onAct=${() => change(worker, 'DELETE')}><p>${S.revokeText(worker.jobs.length)}</p><//>`
      : null}
  </footer>`;
}

/** @param {{ worker: Worker, onClose: () => void }} props */
function Rename({ worker, onClose }) {
  const name = useSignal(worker.name);
  return html`<${Dialog} title=${S.renameTitle(visible(worker.name))} safe=${S.keepIt} act=${S.doRename} onClose=${onClose}
    onAct=${() => change(worker, 'PATCH', { name: name.value.trim() })}>
    <${Field} label=${S.name} value=${name.value} onInput=${(/** @type {string} */ value) => (name.value = value)} />
  <//>`;
}
