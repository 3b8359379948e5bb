// One list of jobs, as the address asks for it. Rows that are there change in place; rows that are new wait until they are
// asked for, so that nothing moves under the reader.
import { batch, signal } from '../vendor/signals.js';
import { asApiError, call } from './api.js';
import { backs, watch } from './live.js';

/** @typedef {import('../types/api.js').JobRow} JobRow */
/** @typedef {import('../vendor/signals.js').Signal<JobRow>} Row */

const PAGE = 100;
const FLUSH_MS = 100;

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
    /** How many new jobs wait to be shown. */
    this.held = signal(0);
    /** @type {Map<string, Row>} */
    this.#byId = new Map();
    /** @type {Set<string>} */
    this.#fresh = new Set();
    /** @type {Map<string, JobRow>} */
    this.#heard = new Map();
    /** Told while a page was read: newer than what was read. @type {Map<string, JobRow>} */
    this.#newer = new Map();
    this.#newest = '';
    this.#turn = 0;
  }

  #byId;
  #fresh;
  #heard;
  #newer;
  #newest;
  #turn;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** Read it and keep it current until what is returned is called. */
  keep() {
    let first = true;
    const end = watch({ what: 'jobs' }, (rows) => this.#told(rows));
    const stop = backs.subscribe(() => {
      if (!first) void this.refresh();
      first = false;
    });
    if (this.rows.peek()) void this.refresh();
    else void this.read();
    return () => {
      end();
      stop();
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#turn += 1;
      this.reading.value = false;
    };
  }

  /** The first page anew: what is new comes in. */
  async read() {
    await this.#page(null);
  }

  /** The page after the last row. */
  async more() {
    if (this.next.value && !this.reading.value) await this.#page(this.next.value);
  }

  /** Read the rows that are there anew, and count what has come; nothing moves. */
  async refresh() {
    try {
      const answer = await this.#ask(null);
      this.#told(answer.jobs);
    } catch (fault) {
      this.error.value = asApiError(fault);
    }
  }

  /** @param {string | null} cursor @returns {Promise<import('../types/api.js').JobsPage>} */
  #ask(cursor) {
    const query = new URLSearchParams(this.query);
    query.set('limit', String(PAGE));
    if (cursor) query.set('cursor', cursor);
    return call('GET', `/api/jobs?${query}`);
  }

  /** @param {string | null} cursor */
  async #page(cursor) {
    this.#turn += 1;
    const turn = this.#turn;
    this.#newer = new Map();
    this.reading.value = true;
    try {
      const answer = await this.#ask(cursor);
      if (turn !== this.#turn) return;
      batch(() => this.#take(answer, cursor !== null));
    } catch (fault) {
      if (turn === this.#turn) this.error.value = asApiError(fault);
    } finally {
      if (turn === this.#turn) this.reading.value = false;
    }
  }

  /** @param {import('../types/api.js').JobsPage} page @param {boolean} isMore */
  #take(page, isMore) {
    if (!isMore) {
      this.#byId = new Map();
      this.#fresh.clear();
      this.held.value = 0;
      this.#newest = page.jobs[0]?.createdAt ?? '';
    }
    const rows = isMore ? [...(this.rows.value ?? [])] : [];
    for (const job of page.jobs) {
      if (this.#byId.has(job.jobId)) continue;
      const row = signal(this.#newer.get(job.jobId) ?? job);
      this.#byId.set(job.jobId, row);
      rows.push(row);
    }
    this.rows.value = rows;
    this.next.value = page.next;
    this.error.value = null;
  }

  /** @param {JobRow[]} rows */
  #told(rows) {
    for (const row of rows) {
      this.#heard.set(row.jobId, row);
      if (this.reading.value) this.#newer.set(row.jobId, row);
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
      else if (job.createdAt >= this.#newest && this.matches(job)) this.#fresh.add(job.jobId);
      else this.#fresh.delete(job.jobId);
    }
    this.#heard.clear();
    this.held.value = this.#fresh.size;
  }

  /** Whether a job is one that this list asks for. @param {JobRow} job */
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
      (!q || [job.name ?? '', job.jobId, ...job.tags].some((text) => text.toLowerCase().startsWith(q)))
    );
  }
}
