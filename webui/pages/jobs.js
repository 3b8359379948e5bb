// Jobs: which there are, how they went, and which need somebody. The address holds every filter.
import { html } from '../html.js';
import { useEffect, useMemo, useRef } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { JobList } from '../data/joblist.js';
import { asApiError } from '../data/api.js';
import { askOnce } from '../data/once.js';
import { mayNot, me } from '../data/session.js';
import { workerName, workers } from '../data/workers.js';
import { go, place, refine } from '../router.js';
import { S } from '../strings.js';
import { Button, Time, Trouble } from '../parts/basics.js';
import { Field } from '../parts/field.js';
import { Icon, StatusIcon } from '../parts/icons.js';
import { Live } from '../parts/live.js';
import { STATUSES, hasEnded, lineOf, ranFor, reasonOf, titleOf, waits, whenOf, briefWhyOf } from '../words/job.js';
import { visible, visibleLines } from '../words/foreign.js';
import { exact, duration, now, serverNow } from '../words/time.js';

const FILTERS = ['status', 'reason', 'tag', 'worker', 'q', 'from', 'to'];
const TYPING_MS = 200;
const IDLE_MS = 2000;
const GHOSTS = [...Array(6).keys()];

/** What the API is asked for: the filters of the address, and nothing else that may stand there. */
function asked() {
  const query = new URLSearchParams();
  for (const name of FILTERS) {
    for (const value of place.value.query.getAll(name)) {
      for (const one of name === 'status' ? value.split(',') : [value]) if (one) query.append(name, one);
    }
  }
  return query;
}

/** The list that was shown last, so that who comes back finds it as it was. */
let last = { of: '', list: /** @type {JobList | null} */ (null) };

/** @param {string} query */
function listOf(query) {
  const of = `${me.value?.user.userId} ${query}`;
  if (last.of !== of || !last.list) last = { of, list: new JobList(new URLSearchParams(query)) };
  return last.list ?? new JobList(new URLSearchParams(query));
}

export function JobsPage() {
  const query = asked();
  const key = query.toString();
  const list = useMemo(() => listOf(key), [key]);
  useEffect(() => list.keep(), [list]);
  const statuses = query.getAll('status');
  useEffect(() => {
    document.title = `${S.jobs}${statuses.length ? `: ${statuses.join(', ')}` : ''} · ${S.product}`;
  }, [key]);
  const touched = useIdle(list);
  const rows = list.rows.value;
  return html`<div class="page jobs" ...${touched}>
    <header class="title-bar">
      <h1>${S.jobs}</h1>
      ${list.held.value
        ? html`<button type="button" class="pill" onClick=${() => show(list)}>${S.news(list.held.value)}</button>`
        : null}
      <span class="room"></span>
      <${Live} />
      <a class="button primary" href="/jobs/new"><${Icon} sign="add" />${S.newJob}</a>
    </header>
    <${Filters} query=${query} />
    <${Trouble} error=${list.error.value} again=${() => list.read()} />
    ${rows === null ? (list.error.value ? null : html`<${Loading} />`) : rows.length ? html`<${Rows} list=${list} rows=${rows} />` : html`<${Empty} filtered=${key !== ''} list=${list} />`}
  </div>`;
}

/** @param {JobList} list */
async function show(list) {
  await list.read();
  document.querySelector('main')?.scrollTo(0, 0);
}

/** Whether a pointer rests on a row; where fingers are used, none does. */
const isUnderPointer = () => matchMedia('(hover: hover)').matches && document.querySelector('.job-list:hover') !== null;

/**
 * New rows come in by themselves only at the top of the list, and while pointer, focus and selection are elsewhere.
 * @param {JobList} list
 */
function useIdle(list) {
  const last = useRef(0);
  const touch = () => {
    last.current = Date.now();
  };
  useEffect(() => {
    const timer = setInterval(() => {
      const main = document.querySelector('main');
      const quiet = Date.now() - last.current > IDLE_MS && getSelection()?.isCollapsed !== false;
      const onRow = document.activeElement?.classList.contains('job-row') ?? false;
      const isAway = quiet && !onRow && !isUnderPointer();
      const isDue = list.held.value > 0 && !list.reading.value && !list.error.value;
      if (isDue && (isAway || !list.rows.value?.length) && !document.hidden && (main?.scrollTop ?? 1) < 8) void list.read();
    }, 500);
    return () => clearInterval(timer);
  }, [list]);
  return { onPointerMove: touch, onPointerDown: touch, onFocusIn: touch, onWheel: touch, onKeyDown: touch };
}

/** @param {{ query: URLSearchParams }} props */
function Filters({ query }) {
  const statuses = query.getAll('status');
  const toggle = (/** @type {string} */ status) =>
    refine({
      status: statuses.includes(status) ? statuses.filter((one) => one !== status) : [...statuses, status],
    });
  const isOffered = (/** @type {string} */ name, /** @type {string} */ value) =>
    (name === 'status' && STATUSES.includes(value)) || (name === 'from' && value in S.ranges);
  const others = ['status', 'reason', 'tag', 'worker', 'from', 'to']
    .flatMap((name) => query.getAll(name).map((value) => ({ name, value })))
    .filter(({ name, value }) => !isOffered(name, value));
  return html`<div class="filters">
    <${Search} value=${query.get('q') ?? ''} />
    <${Field} label=${S.submitted} value=${query.get('from') ?? ''} options=${S.ranges}
      onInput=${(/** @type {string} */ from) => refine({ from })} />
    <div class="chips" role="group" aria-label=${S.statusFilter}>
      ${STATUSES.map(
        (status) => html`<button type="button" class="chip" key=${status} aria-pressed=${String(statuses.includes(status))}
          onClick=${() => toggle(status)}><${StatusIcon} status=${status} />${status}</button>`,
      )}
      ${others.map(
        ({ name, value }) => html`<button type="button" class="chip" aria-pressed="true" key=${`${name} ${value}`}
          aria-label=${S.without(name, value)}
          onClick=${() => refine({ [name]: query.getAll(name).filter((one) => one !== value) })}>
          ${name}: ${name === 'worker' ? workerName(value) : visible(value)}<${Icon} sign="close" /></button>`,
      )}
    </div>
  </div>`;
}

/** @param {{ value: string }} props */
function Search({ value }) {
  const text = useSignal(value);
  const timer = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  useEffect(() => {
    if (text.peek().trim() !== value.trim()) text.value = value;
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const put = (/** @type {string} */ next) => {
    text.value = next;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => refine({ q: next.trim() }), TYPING_MS);
  };
  const key = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== 'Escape') return;
    if (text.value) put('');
    else if (event.currentTarget instanceof HTMLElement) event.currentTarget.blur();
  };
  return html`<label class="search">
    <span class="for-readers">${S.searchJobs}</span>
    <${Icon} sign="search" />
    <input type="search" class="control" placeholder=${S.searchJobs} value=${text.value} spellcheck=${false}
      onInput=${(/** @type {any} */ event) => put(event.currentTarget.value)} onKeyDown=${key} />
  </label>`;
}

function Head() {
  const c = S.columns;
  return html`<div class="job-head" aria-hidden="true">
    <span>${c.status}</span><span>${c.name}</span><span>${c.why}</span><span>${c.worker}</span>
    <span class="right">${c.ran}</span><span class="right">${c.when}</span>
  </div>`;
}

/** @param {{ list: JobList, rows: import('../data/joblist.js').Row[] }} props */
function Rows({ list, rows }) {
  return html`<div class=${`card job-list ${exact.value ? 'exact' : ''}`}>
    <${Head} />
    <ul>${rows.map((row) => html`<${Row} key=${row.peek().jobId} row=${row} list=${list} />`)}</ul>
  </div>
  <${Trouble} error=${list.moreError.value} again=${() => list.more()} />
  <div class="row-of">
    ${list.next.value
      ? html`<${Button} busy=${list.reading.value} onClick=${() => list.more()}>${S.more}<//>`
      : html`<p class="faint hint">${S.noMore}</p>`}
  </div>`;
}

/** @param {{ row: import('../data/joblist.js').Row, list: JobList }} props */
function Row({ row, list }) {
  const job = row.value;
  const ran = ranFor(job, job.status === 'running' ? now.value : serverNow());
  const why = briefWhyOf(job);
  const line = visibleLines(lineOf(job.command));
  const title = titleOf(job);
  const reason = list.matches(job) ? reasonOf(job) : S.nowIs(job.status);
  return html`<li>
    <a class=${`job-row ${list.matches(job) ? '' : 'dim'}`} href=${`/jobs/${job.jobId}`} data-job=${job.jobId}>
      <span class="cell status"><${StatusIcon} status=${job.status} />
        <span class="cut">${job.status}${reason ? html`<span class="quiet"> · ${reason}</span>` : null}</span></span>
      <span class="cell name cut" title=${title}><span class="title">${title}</span>${title === line
        ? null
        : html` <code class="faint">${line}</code>`}${job.tags.map((tag) => html` <span class="tag" key=${tag}>${visible(tag)}</span>`)}</span>
      <span class="cell why cut quiet" title=${why}>${why}</span>
      <span class="cell worker cut quiet">${workerName(job.workerId) || S.none}</span>
      <span class="cell ran right">${ran === null || (waits(job) && !hasEnded(job)) ? S.none : duration(ran)}</span>
      <span class="cell when right quiet"><${Time} at=${whenOf(job)} /></span>
    </a>
  </li>`;
}

/** Where the list is going to be, until it has been read. */
function Loading() {
  const late = useSignal(false);
  useEffect(() => {
    const timer = setTimeout(() => (late.value = true), 5000);
    return () => clearTimeout(timer);
  }, []);
  return html`<div class="card job-list" aria-hidden="true">
      <${Head} />
      ${GHOSTS.map((at) => html`<div class="ghost" key=${at}><i></i><i></i></div>`)}
    </div>
    <p class="faint" role="status">${late.value ? S.loading : ''}</p>`;
}

/** @param {{ filtered: boolean, list: JobList }} props */
function Empty({ filtered, list }) {
  const error = useSignal(/** @type {import('../data/api.js').ApiError | null} */ (null));
  if (filtered) {
    return html`<div class="empty">
      <h2>${S.noneMatch}</h2>
      <p class="quiet">${S.noneMatchText}${list.query.has('q') ? ` ${S.commandsNotSearched}` : ''}</p>
      <${Button} onClick=${() => go('/jobs', { replace: true })}>${S.clear}<//>
    </div>`;
  }
  const refused = mayNot('run jobs');
  const run = async () => {
    try {
      /** @type {import('../types/api.js').JobView} */
      const job = await askOnce('first job', '/api/jobs/create', { command: S.firstCommand });
      go(`/jobs/${job.jobId}`);
    } catch (fault) {
      error.value = asApiError(fault);
    }
  };
  const joined = workers.value?.filter((one) => one.state !== 'revoked');
  const none = joined !== undefined && !joined.some((one) => one.state === 'online');
  const why = !joined?.length ? S.noWorkerYet : joined.some((one) => one.state === 'draining') ? S.allDrain : S.allAway;
  return html`<div class="empty">
    <h2>${S.noJobs}</h2>
    <p class="quiet">${S.noJobsText}</p>
    ${none
      ? html`<p>${why}</p>
          ${joined?.length
            ? html`<a class="button" href="/workers">${S.openWorkers}</a>`
            : html`<a class="button" href="/workers/add">${S.addWorker}</a>`}`
      : html`<pre>${S.firstCommand}</pre>
          <${Button} refused=${refused ? S.onlyFor(refused) : ''} onClick=${run}>${S.runIt}<//>`}
    <${Trouble} error=${error.value} again=${() => list.read()} />
  </div>`;
}
