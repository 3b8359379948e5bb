// Where the lines of a log come from: what comes while a job runs, or what is stored of one that has ended, its end first.
import { signal } from '../vendor/signals.js';
import { asApiError, request } from '../data/api.js';
import { bytesOf, follow } from '../data/follow.js';
import { hasEnded } from '../words/job.js';
import { Buffer } from './buffer.js';

/** @typedef {import('../types/api.js').JobView} JobView */

/** Bytes of each stream that are read at first; and up to which both streams of an ended job are read whole. */
const TAIL = 512 * 1024;
const MORE = 2 * 1024 * 1024;
const FLUSH_MS = 50;
const STREAMS = ['stdout', 'stderr'];

/** How much of each stream an attempt has written, as far as it is known. @param {JobView} job @param {number} attempt */
export function outputOf(job, attempt) {
  const run = job.attempts.find((one) => one.attempt === attempt);
  return run?.output ?? job.output;
}

/** The stream of an attempt that is shown where both cannot be. @param {JobView} job @param {number} attempt */
export const fullerOf = (job, attempt) => (outputOf(job, attempt).stdout.bytes ? 'stdout' : 'stderr');

/** Whether an attempt is over, and what it has written. @param {JobView} job @param {number} attempt */
function stored(job, attempt) {
  const run = job.attempts.find((one) => one.attempt === attempt);
  const { stdout, stderr } = outputOf(job, attempt);
  const over = hasEnded(job) || (run !== undefined && run.finishedAt !== null);
  return { over, large: Math.max(stdout.bytes, stderr.bytes) > TAIL, stdout, stderr };
}

export class Source {
  /**
   * @param {JobView} job as it is when its log is opened
   * @param {number | null} attempt null: the newest, and each that comes after it
   * @param {(job: JobView) => void} [learn] told of the job when it has ended
   */
  constructor(job, attempt, learn = () => {}) {
    this.#learn = learn;
    this.buffer = new Buffer();
    /** Raised with each change, at most every 50 ms. */
    this.changes = signal(0);
    /** 'reading', 'following', 'cut', 'ended', 'failed' */
    this.state = signal('reading');
    /** @type {import('../vendor/signals.js').Signal<import('../data/api.js').ApiError | null>} */
    this.error = signal(null);
    /** Bytes of the stream that is shown after what is read: when only its beginning is. */
    this.after = signal(0);
    /** Lines that were put before those that had been read. */
    this.prepended = 0;
    /** Bytes of each stream before what is read. */
    this.before = signal(/** @type {Record<string, number>} */ ({ stdout: 0, stderr: 0 }));
    const { over, large } = stored(job, attempt ?? job.attempt);
    /** Whether both streams can be shown in one. */
    this.joined = signal(!(over && large));
    /** Which run it is of. */
    this.run = signal(job.run);
    this.#job = job;
    this.#attempt = attempt;
    this.#until = new AbortController();
    this.#timer = undefined;
    this.#again = () => Promise.resolve();
  }

  #again;
  #learn;
  #job;
  #attempt;
  #until;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** The job as it is now: how much it has written is read from it. @param {JobView} job */
  know(job) {
    this.#job = job;
  }

  /** Begin to read. @param {string} stream what is to be shown first */
  start(stream) {
    const job = this.#job;
    const attempt = this.#attempt ?? job.attempt;
    const { over, large, stdout, stderr } = stored(job, attempt);
    if (over && large) {
      void this.#tail(stream === 'both' ? fullerOf(job, attempt) : stream, TAIL);
    } else {
      this.buffer.apart = over && stdout.bytes > 0 && stderr.bytes > 0;
      void this.#follow(large ? this.#later(attempt, stdout.bytes, stderr.bytes) : '');
    }
  }

  /** Read again what could not be read. */
  again() {
    return this.#again();
  }

  stop() {
    this.#until.abort();
    clearTimeout(this.#timer);
  }

  /** Read one stream of an ended job, from `bytes` before its end on. @param {string} stream @param {number} [bytes] */
  read(stream, bytes = TAIL) {
    void this.#anew().#tail(stream, bytes);
  }

  /** Read the beginning of one stream of an ended job. @param {string} stream */
  head(stream) {
    void this.#anew().#part(stream, 0, Math.min(this.#bytes(stream), MORE));
  }

  #anew() {
    this.#until.abort();
    this.#until = new AbortController();
    return this;
  }

  /** @param {string} stream */
  #bytes(stream) {
    const output = outputOf(this.#job, this.#attempt ?? this.#job.attempt);
    return (stream === 'stderr' ? output.stderr : output.stdout).bytes;
  }

  /** Read more of what lies before. @param {string} stream */
  earlier(stream) {
    const bytes = this.#bytes(stream) - (this.before.value[stream] ?? 0) + MORE;
    void this.#anew().#tail(stream, bytes, true);
  }

  /** The point to follow from, so that no more than the newest has to come. */
  #later(/** @type {number} */ attempt, /** @type {number} */ stdout, /** @type {number} */ stderr) {
    const from = { stdout: Math.max(0, stdout - TAIL), stderr: Math.max(0, stderr - TAIL) };
    for (const stream of STREAMS) if (from[/** @type {'stdout'} */ (stream)]) this.buffer.startInMiddle(stream);
    this.before.value = from;
    return `${attempt}:${from.stdout}:${from.stderr}`;
  }

  /** @param {string} from */
  async #follow(from) {
    const until = this.#until.signal;
    let seen = from ? Number(from.split(':')[0]) : 0;
    const tell = (/** @type {import('../data/follow.js').Told} */ told) => {
      if (told.event === 'attempt') {
        this.run.value = told.data.run;
        if (seen && seen !== told.data.attempt) {
          this.buffer.clear();
          this.before.value = { stdout: 0, stderr: 0 };
        }
        seen = told.data.attempt;
      } else if (told.event === 'end') {
        this.#learn(told.data.job);
      } else if (told.event === 'output') {
        this.buffer.write(told.data.stream, bytesOf(told.data.data));
      }
      if (this.state.value === 'reading') this.state.value = 'following';
      this.#changed();
    };
    const cut = (/** @type {boolean} */ isCut) => {
      this.state.value = isCut ? 'cut' : 'following';
    };
    try {
      await follow({ jobId: this.#job.jobId, attempt: this.#attempt, from, until, tell, cut });
      if (until.aborted) return;
      this.buffer.end();
      this.state.value = 'ended';
    } catch (fault) {
      if (until.aborted) return;
      this.error.value = asApiError(fault);
      this.state.value = 'failed';
    }
    this.#changed();
  }

  /** @param {string} stream @param {number} bytes @param {boolean} [earlier] whether what was read is its end */
  #tail(stream, bytes, earlier = false) {
    const all = this.#bytes(stream);
    return this.#part(stream, Math.max(0, all - bytes), all, earlier);
  }

  /**
   * Show this part of an ended stream; what was shown stays until it has come.
   * @param {string} stream
   * @param {number} from
   * @param {number} to
   * @param {boolean} [earlier] whether it ends with what was shown
   */
  async #part(stream, from, to, earlier = false) {
    const until = this.#until.signal;
    this.#again = () => this.#anew().#part(stream, from, to, earlier);
    this.state.value = 'reading';
    const attempt = this.#attempt ?? this.#job.attempt;
    try {
      let body = new Uint8Array();
      if (to > from) {
        const path = `/api/jobs/${encodeURIComponent(this.#job.jobId)}/output?stream=${stream}&attempt=${attempt}`;
        const headers = { Range: `bytes=${from}-${to - 1}` };
        const response = await request('GET', path, { headers, signal: until });
        body = new Uint8Array(await response.arrayBuffer());
      }
      if (until.aborted) return;
      this.joined.value = false;
      const had = this.buffer.lines.length;
      this.buffer.clear();
      if (from) this.buffer.startInMiddle(stream);
      this.buffer.write(stream, body);
      this.buffer.end();
      if (earlier) this.prepended += this.buffer.lines.length + this.buffer.dropped('both') - had;
      this.before.value = { stdout: 0, stderr: 0, [stream]: from };
      this.after.value = this.#bytes(stream) - to;
      this.error.value = null;
      this.state.value = 'ended';
    } catch (fault) {
      if (until.aborted) return;
      this.error.value = asApiError(fault);
      this.state.value = 'failed';
    }
    this.#changed();
  }

  #changed() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.changes.value += 1;
    }, FLUSH_MS);
  }
}
