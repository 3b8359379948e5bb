// One job: its state and why, its runs, its output as it comes, and what can be done with it.
import { html } from '../html.js';
import { useEffect, useLayoutEffect, useMemo, useRef } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { tryUntilRead } from '../data/again.js';
import { asApiError, call } from '../data/api.js';
import { watch, whenBack } from '../data/live.js';
import { named, workerName, workers } from '../data/workers.js';
import { place, refine } from '../router.js';
import { S } from '../strings.js';
import { Copy, StatusWord, Trouble } from '../parts/basics.js';
import { StatusIcon } from '../parts/icons.js';
import { Source } from '../log/source.js';
import { LogView } from '../log/view.js';
import { hasEnded, reasonOf, sentenceOf, titleOf, waits } from '../words/job.js';
import { now, since } from '../words/time.js';
import { Acts } from './job-acts.js';
import { Facts } from './job-facts.js';

/** @typedef {import('../types/api.js').JobView} JobView */

/** What the ids of jobs look like; nothing else can be watched. And what is shown of something longer. */
const ID = /^[0-9a-f-]{36}$/;
const SHOWN = 60;

/** A job, kept current: what was told while it was read is newer than what was read. @param {string} id */
function useJob(id) {
  const job = useSignal(/** @type {JobView | null} */ (null));
  const error = useSignal(/** @type {import('../data/api.js').ApiError | null} */ (null));
  const told = useRef(0);
  const read = async () => {
    const before = told.current;
    try {
      const view = await call('GET', `/api/jobs/status?jobId=${encodeURIComponent(id)}`);
      if (told.current === before) job.value = /** @type {JobView} */ (view);
      error.value = null;
      return true;
    } catch (fault) {
      error.value = asApiError(fault);
      return false;
    }
  };
  useEffect(() => {
    const learn = (/** @type {JobView[]} */ [view]) => {
      told.current += 1;
      job.value = view;
    };
    const end = ID.test(id) ? watch({ what: 'job', jobId: id }, learn) : () => {};
    const stop = whenBack(read);
    const healed = tryUntilRead(error, read);
    void read();
    return () => {
      end();
      stop();
      healed();
    };
  }, [id]);
  return { job, error, read };
}

/** @param {{ id: string }} props */
export function JobPage({ id }) {
  const { job: kept, error, read } = useJob(id);
  const job = kept.value;
  const word = job ? `${job.status} · ${titleOf(job)}` : id;
  useEffect(() => {
    document.title = `${word} · ${S.product}`;
  }, [word]);
  useFavicon(job?.status ?? '');
  if (!job) return html`<${NotThere} id=${id} error=${error.value} again=${read} />`;
  return html`<${Shown} job=${job} learn=${(/** @type {JobView} */ next) => (kept.value = next)} read=${read} />`;
}

/** @param {{ id: string, error: import('../data/api.js').ApiError | null, again: () => void }} props */
function NotThere({ id, error, again }) {
  if (!error) {
    return html`<div class="page job">
      <header class="job-title"><p class="crumbs"><a href="/jobs">${S.jobs}</a> / <code>${id}</code></p></header>
      <div class="job-body"><div class="log card"></div><aside class="card"></aside></div>
    </div>`;
  }
  if (error.status !== 404 && error.status !== 422) {
    return html`<div class="page"><div class="title-bar"></div><${Trouble} error=${error} again=${again} /></div>`;
  }
  return html`<div class="page"><div class="empty">
    <h1>${S.noJob(id.length > SHOWN ? `${id.slice(0, SHOWN)}…` : id)}</h1>
    <p class="quiet">${S.noJobText}</p>
    <a class="button" href="/jobs">${S.allJobs}</a>
  </div></div>`;
}

/** The tab shows the state too. @param {string} status */
function useFavicon(status) {
  useEffect(() => {
    const icon = document.querySelector('link[rel="icon"]');
    if (!(icon instanceof HTMLLinkElement) || !status) return undefined;
    const before = icon.href;
    icon.href = before.replace(/[^/]*\.svg$/, `${status}.svg`);
    return () => {
      icon.href = before;
    };
  }, [status]);
}

/** @param {{ job: JobView, learn: (job: JobView) => void, read: () => Promise<boolean> }} props */
function Shown({ job, learn, read }) {
  const { query } = place.value;
  const wanted = Number(query.get('attempt')) || null;
  const chosen = job.attempts.some((one) => one.attempt === wanted) ? wanted : null;
  const given = query.get('stream') ?? '';
  const stream = ['stdout', 'stderr'].includes(given) ? given : 'both';
  const source = useSource(job, chosen, stream, learn);
  const attempt = chosen ?? (job.attempts.length ? job.attempts[job.attempts.length - 1].attempt : job.attempt);
  const onStream = (/** @type {string} */ next) => {
    if (!source.joined.value) source.read(next);
    refine({ stream: next === 'both' ? '' : next });
  };
  return html`<div class="page job">
    <header class="job-title">
      <p class="crumbs"><a href="/jobs">${S.jobs}</a> / <code>${job.jobId}</code>
        <${Copy} text=${job.jobId} label=${S.copyId} /></p>
      <div class="row-of">
        <h1 title=${titleOf(job)}><${StatusIcon} status=${job.status} large=${true} /><span class="cut">${titleOf(job)}</span></h1>
        <span class="room"></span>
        <${Acts} job=${job} learn=${learn} read=${read} />
      </div>
      <p class="sentence">${sentenceOf(job, workerName(job.workerId), now.value)} ${heardOf(job)}</p>
      <p class="for-readers" role="status">${[job.status, reasonOf(job)].filter(Boolean).join(', ')}</p>
      <${Note} job=${job} />
      <${Runs} job=${job} attempt=${attempt} />
    </header>
    <div class="job-body">
      <${LogView} source=${source} stream=${stream} job=${job} attempt=${attempt} onStream=${onStream} />
      <${Facts} job=${job} />
    </div>
  </div>`;
}

/**
 * The output; read anew when a job that had ended goes on.
 * @param {JobView} job
 * @param {number | null} attempt
 * @param {string} stream
 * @param {(job: JobView) => void} learn
 */
function useSource(job, attempt, stream, learn) {
  const ended = hasEnded(job);
  const wasEnded = useRef(ended);
  const turn = useRef(0);
  if (wasEnded.current && !ended) turn.current += 1;
  wasEnded.current = ended;
  const key = `${job.jobId} ${attempt ?? ''} ${turn.current}`;
  const source = useMemo(() => new Source(job, attempt, learn), [key]);
  source.know(job);
  useEffect(() => {
    source.start(stream);
    const healed = tryUntilRead(source.error, () => source.again());
    return () => {
      healed();
      source.stop();
    };
  }, [source]);
  return source;
}

/** When the worker of a job that is unknown was heard of. @param {JobView} job */
function heardOf(job) {
  const seen = workers.value?.find((one) => one.workerId === job.workerId)?.lastSeenAt;
  return job.status === 'unknown' && seen ? S.heardOf(since(Date.parse(seen), now.value)) : '';
}

/** What else has to be known: what would end the waiting, or that it may run twice. @param {{ job: JobView }} props */
function Note({ job }) {
  if (waits(job) && job.waitingMend) return html`<div class="note"><p>${named(job.waitingMend)}</p></div>`;
  if (job.status === 'cancelled' && job.confirmed === false) {
    return html`<div class="note doubt"><p>${S.cancelUnknown}</p></div>`;
  }
  return null;
}

/** Its runs, each with how it went, that which is shown in view; a press shows its output. @param {{ job: JobView, attempt: number }} props */
function Runs({ job, attempt }) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    const row = place.current;
    const shown = /** @type {HTMLElement | null | undefined} */ (row?.querySelector('[aria-pressed="true"]'));
    if (row && shown) row.scrollLeft = shown.offsetLeft - (row.clientWidth - shown.offsetWidth) / 2;
  }, [attempt, job.attempts.length]);
  if (job.attempts.length < 2) return null;
  const last = job.attempts[job.attempts.length - 1].attempt;
  return html`<ol ref=${place} class="runs">
    ${job.attempts.map((run) => {
      const status = run.finishedAt === null ? job.status : run.ok ? 'completed' : 'failed';
      const reason = run.ok || run.finishedAt === null ? '' : reasonOf({ ...job, ...run, status: 'failed' });
      return html`<li key=${run.attempt}>
        <button type="button" class="chip" aria-pressed=${String(run.attempt === attempt)} title=${run.message}
          onClick=${() => refine({ attempt: run.attempt === last ? '' : String(run.attempt) })}>
          <${StatusWord} status=${status} word=${S.run(run.run)} reason=${reason} />
        </button>
      </li>`;
    })}
  </ol>`;
}
