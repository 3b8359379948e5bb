// One list of jobs, as the address asks for it. Rows that are there change in place; rows that are new wait until they are
// asked for, so that nothing moves under the reader.
import { batch, signal } from '../vendor/signals.js';
import { momentOf, serverNow } from '../words/time.js';
import { tryUntilRead } from './again.js';
import { ApiError, asApiError, call } from './api.js';
import { watch, whenBack } from './live.js';

/** @typedef {import('../types/api.js').JobRow} JobRow */
/** @typedef {import('../vendor/signals.js').Signal<JobRow>} Row */

const PAGE = 100;
const FLUSH_MS = 100;
/** The most rows of one answer. */
const PAGE_MAX = 1000;
/** So many answers more than the rows would need are read to find them again; what came meanwhile stands before them. */
const PAGES_MORE = 3;
/** So many ids go into one line of a request. */
const ASKED_AT_ONCE = 40;

export class JobList {
  /** @param {URLSearchParams} query what the API is asked for */
  constructor(query) {
    this.query = query;
    /** null: not read yet. @type {import('../vendor/signals.js').Signal<Row[] | null>} */
    this.rows = signal(null);
    /** @type {import('../vendor/signals.js').Signal<string | null>} */
    this.next = signal(null);
    this.reading = signal(false);
    /** @type {import('../vendor/signals.js').Signal<import('./api.js').ApiError | null>} */
    this.error = signal(null);
    /** Why the page after the last row could not be read. @type {import('../vendor/signals.js').Signal<import('./api.js').ApiError | null>} */
    this.moreError = signal(null);
    /** How many new jobs wait to be shown. */
    this.held = signal(0);
    /** @type {Map<string, Row>} */
    this.#byId = new Map();
    /** @type {Set<string>} */
    this.#fresh = new Set();
    /** @type {Map<string, JobRow>} */
    this.#heard = new Map();
    /** What was told while something is read, for each that is: newer than what is read. @type {Set<Map<string, JobRow>>} */
    this.#during = new Set();
    this.#turn = 0;
  }

  #byId;
  #fresh;
  #heard;
  #during;
  #turn;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** Read it and keep it current until what is returned is called. */
  keep() {
    const end = watch({ what: 'jobs' }, (rows) => this.#told(rows));
    const stop = whenBack(() => this.refresh());
    const healed = tryUntilRead(this.error, () => this.refresh());
    void this.refresh();
    return () => {
      end();
      stop();
      healed();
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#turn += 1;
      this.reading.value = false;
    };
  }

  /** The first page anew: what is new comes in; whether that succeeded. */
  async read() {
    return this.#page(null);
  }

  /** The page after the last row. */
  async more() {
    if (this.next.value && !this.reading.value) await this.#page(this.next.value);
  }

  /** Read all rows that are there anew, and count what has come; nothing moves. Whether that succeeded. */
  async refresh() {
    if (!this.rows.peek()) return this.read();
    const turn = this.#turn;
    try {
      const read = await this.#whileHearing((newer) => this.#reread(newer));
      if (turn !== this.#turn) return true;
      this.#told(read);
      this.error.value = null;
      return true;
    } catch (fault) {
      if (turn === this.#turn) this.error.value = asApiError(fault);
      return false;
    }
  }

  /**
   * The rows that are there as they are now, and what has come before them.
   * @param {Map<string, JobRow>} newer
   */
  async #reread(newer) {
    const shown = (this.rows.peek() ?? []).map((row) => row.peek());
    const missing = new Set(shown.map((job) => job.jobId));
    const oldest = this.#oldest();
    /** @type {JobRow[]} */
    const found = [];
    let cursor = null;
    for (let page = 0; page < Math.ceil(shown.length / PAGE_MAX) + PAGES_MORE; page += 1) {
      const answer = await this.#ask(cursor, Math.min(PAGE_MAX, shown.length + PAGE));
      found.push(...answer.jobs);
      for (const job of answer.jobs) missing.delete(job.jobId);
      cursor = answer.next;
      if (!cursor || !missing.size || answer.jobs.some((job) => job.createdAt < oldest)) break;
    }
    const left = [...missing];
    for (let at = 0; at < left.length; at += ASKED_AT_ONCE) found.push(...(await jobsOf(left.slice(at, at + ASKED_AT_ONCE))));
    return found.filter((job) => !newer.has(job.jobId));
  }

  /** @template T @param {(newer: Map<string, JobRow>) => Promise<T>} read */
  async #whileHearing(read) {
    const newer = new Map();
    this.#during.add(newer);
    try {
      return await read(newer);
    } finally {
      this.#during.delete(newer);
    }
  }

  /** @param {string | null} cursor @param {number} [limit] @returns {Promise<import('../types/api.js').JobsPage>} */
  #ask(cursor, limit = PAGE) {
    const query = new URLSearchParams(this.query);
    query.set('limit', String(limit));
    if (cursor) query.set('cursor', cursor);
    return call('GET', `/api/jobs?${query}`);
  }

  /** @param {string | null} cursor */
  async #page(cursor) {
    this.#turn += 1;
    const turn = this.#turn;
    this.reading.value = true;
    this.moreError.value = null;
    try {
      await this.#whileHearing(async (newer) => {
        const answer = await this.#ask(cursor);
        if (turn === this.#turn) batch(() => this.#take(answer, cursor !== null, newer));
      });
      return true;
    } catch (fault) {
      if (turn === this.#turn) (cursor === null ? this.error : this.moreError).value = asApiError(fault);
      return false;
    } finally {
      if (turn === this.#turn) this.reading.value = false;
    }
  }

  /** @param {import('../types/api.js').JobsPage} page @param {boolean} isMore @param {Map<string, JobRow>} newer */
  #take(page, isMore, newer) {
    if (!isMore) {
      this.#byId = new Map();
      this.#fresh.clear();
    }
    const rows = isMore ? [...(this.rows.value ?? [])] : [];
    for (const job of page.jobs) {
      this.#fresh.delete(job.jobId);
      if (this.#byId.has(job.jobId)) continue;
      const row = signal(newer.get(job.jobId) ?? job);
      this.#byId.set(job.jobId, row);
      rows.push(row);
    }
    this.rows.value = rows;
    this.next.value = page.next;
    this.error.value = null;
    for (const job of newer.values()) if (!this.#byId.has(job.jobId) && this.#isNew(job)) this.#fresh.add(job.jobId);
    this.held.value = this.#fresh.size;
  }

  /** @param {JobRow[]} rows */
  #told(rows) {
    for (const row of rows) {
      this.#heard.set(row.jobId, row);
      for (const newer of this.#during) newer.set(row.jobId, row);
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      batch(() => this.#flush());
    }, FLUSH_MS);
  }

  #flush() {
    if (!this.rows.value) return;
    for (const job of this.#heard.values()) {
      const row = this.#byId.get(job.jobId);
      if (row) row.value = job;
      else if (this.#isNew(job)) this.#fresh.add(job.jobId);
      else this.#fresh.delete(job.jobId);
    }
    this.#heard.clear();
    this.held.value = this.#fresh.size;
  }

  /** When the last row was submitted: what is older stands on pages that are not read yet. */
  #oldest() {
    const rows = this.rows.peek();
    return rows?.length ? rows[rows.length - 1].peek().createdAt : '';
  }

  /** Whether a job that is not there belongs there now: it may be old, and fit the filter only since. @param {JobRow} job */
  #isNew(job) {
    const at = Date.parse(job.createdAt);
    const from = momentOf(this.query.get('from'), serverNow());
    const to = momentOf(this.query.get('to'), serverNow());
    if ((from !== null && at < from) || (to !== null && at >= to)) return false;
    return this.matches(job) && (!this.next.peek() || job.createdAt >= this.#oldest());
  }

  /** Whether a job has all that this list asks for, whenever it was submitted. @param {JobRow} job */
  matches(job) {
    const of = (/** @type {string} */ name) => this.query.getAll(name);
    const status = of('status');
    const reason = of('reason');
    const tag = of('tag');
    const worker = this.query.get('worker');
    const q = this.query.get('q')?.toLowerCase();
    return (
      (!status.length || status.includes(job.status)) &&
      (!reason.length || reason.includes(job.reason ?? '')) &&
      (!tag.length || tag.some((one) => job.tags.includes(one))) &&
      (!worker || job.workerId === worker) &&
      (!q || [job.name ?? '', job.jobId, ...job.tags].some((text) => text.toLowerCase().includes(q)))
    );
  }
}

/** Jobs by their ids, without those that are gone. @param {string[]} ids @returns {Promise<JobRow[]>} */
async function jobsOf(ids) {
  try {
    const answer = await call('GET', `/api/jobs/status?${ids.map((id) => `jobId=${encodeURIComponent(id)}`).join('&')}`);
    return ids.length === 1 ? [/** @type {any} */ (answer)] : /** @type {any} */ (answer).jobs;
  } catch (fault) {
    if (!(fault instanceof ApiError) || fault.status !== 404) throw fault;
    return ids.length === 1 ? [] : (await Promise.all(ids.map((id) => jobsOf([id])))).flat();
  }
}
