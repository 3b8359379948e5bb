// What can be done with a job. What cannot be done now says why; what may do harm asks first.
import { html } from '../html.js';
import { useSignal } from '../vendor/signals.js';
import { asApiError, call } from '../data/api.js';
import { askOnce } from '../data/once.js';
import { mayNot } from '../data/session.js';
import { go } from '../router.js';
import { S } from '../strings.js';
import { Button, Copy, toast } from '../parts/basics.js';
import { Dialog } from '../parts/dialog.js';
import { asCli, beyondCli, hasEnded, titleOf, waits } from '../words/job.js';

/** @typedef {import('../types/api.js').JobView} JobView */

/** @param {{ job: JobView, learn: (job: JobView) => void, read: () => Promise<boolean> }} props */
export function Acts({ job, learn, read }) {
  const asks = useSignal('');
  const busy = useSignal(false);
  const forbidden = mayNot('run jobs');
  const refused = forbidden ? S.onlyFor(forbidden) : '';
  const rerun = async () => {
    busy.value = true;
    try {
      /** @type {JobView} */
      const next = await askOnce(`rerun ${job.jobId}`, `/api/jobs/${encodeURIComponent(job.jobId)}/rerun`, {});
      go(`/jobs/${next.jobId}`);
    } catch (fault) {
      toast(asApiError(fault).text, true);
    } finally {
      busy.value = false;
    }
  };
  const close = () => (asks.value = '');
  const ended = hasEnded(job);
  return html`<div class="row-of acts">
    <${Copy} text=${asCli(job)} kind="bare" lacks=${beyondCli(job)}>${S.copyCli}<//>
    <${Button} refused=${refused} onClick=${() => go(`/jobs/new?from=${job.jobId}`)}>${S.editRerun}<//>
    ${ended ? html`<${Button} kind="primary" busy=${busy.value} refused=${refused} shortcut="r" onClick=${rerun}>${S.rerun}<//>` : null}
    ${job.status === 'unknown'
      ? html`<${Button} refused=${refused} onClick=${() => (asks.value = 'requeue')}>${S.requeue}<//>`
      : null}
    ${ended
      ? null
      : html`<${Button} kind=${refused ? '' : 'danger'} refused=${refused || (job.cancelRequested ? S.cancelling : '')}
          onClick=${() => (asks.value = 'cancel')}>${job.cancelRequested ? S.cancelling : S.cancel}<//>`}
    ${asks.value === 'cancel' ? html`<${Cancel} job=${job} read=${read} onClose=${close} />` : null}
    ${asks.value === 'requeue' ? html`<${Requeue} job=${job} learn=${learn} onClose=${close} />` : null}
  </div>`;
}

/** @param {{ job: JobView, read: () => Promise<boolean>, onClose: () => void }} props */
function Cancel({ job, read, onClose }) {
  const cancel = async () => {
    /** @type {import('../types/api.js').CancelView} */
    const told = await call('POST', '/api/jobs/cancel', { jobId: job.jobId });
    if (told.outcome === 'too_late') toast(S.tooLate);
    await read();
  };
  const ended = hasEnded(job);
  const text = ended ? S.cancelEnded : waits(job) ? (job.attempts.length ? S.cancelWaitsAgain : S.cancelWaits) : job.status === 'unknown' ? S.cancelUnknown : S.cancelRuns(job.killGraceSec);
  return html`<${Dialog} title=${S.cancelTitle(titleOf(job))} safe=${S.keep} act=${S.doCancel} danger=${true} onAct=${cancel}
    refused=${ended ? S.tooLate : ''} onClose=${onClose}><p>${text}</p><//>`;
}

/** @param {{ job: JobView, learn: (job: JobView) => void, onClose: () => void }} props */
function Requeue({ job, learn, onClose }) {
  const sure = useSignal(false);
  const requeue = async () => {
    const path = `/api/jobs/${encodeURIComponent(job.jobId)}/requeue`;
    learn(await call('POST', path, { acceptDuplicate: true }));
  };
  return html`<${Dialog} title=${S.requeueTitle(titleOf(job))} safe=${S.keep} act=${S.doRequeue} onAct=${requeue}
    refused=${sure.value ? '' : S.needsTick} onClose=${onClose}>
    <p>${S.requeueText}</p>
    <label class="tick"><input type="checkbox" checked=${sure.value}
      onChange=${(/** @type {any} */ event) => (sure.value = event.currentTarget.checked)} />${S.twiceIsFine}</label>
  <//>`;
}
