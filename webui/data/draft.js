// The new job as it is typed: kept until it is sent, so that nothing typed is lost; then made into what the API takes.
import { S } from '../strings.js';
import { lineOf } from '../words/job.js';
import { exactly, mbOf, secondsOf, serverNow, timeOf } from '../words/time.js';

/** @typedef {import('../types/api.js').JobView} JobView */

export const EMPTY = {
  kind: 'shell', command: '', name: '', tags: '', cpu: '', ram: '', requires: '', env: '', timeout: '', retries: '0',
  retryOn: '', backoffFirst: '', backoffMax: '', onLost: 'hold', maxLost: '', priority: '', killGrace: '', runAt: '', ttl: '',
  image: '', network: 'none', pull: 'missing', user: '', stdinBytes: '', envMore: '',
};

/** @typedef {typeof EMPTY} Draft */

/** Each job that is changed to be run again has a draft of its own. @param {string | null} from its id */
const keyOf = (from) => (from ? `new job from ${from}` : 'new job');

/** What was typed before in this tab; null: nothing. @param {string | null} from @returns {Draft | null} */
export function kept(from) {
  try {
    const text = sessionStorage.getItem(keyOf(from));
    return text === null ? null : { ...EMPTY, ...JSON.parse(text) };
  } catch {
    return null;
  }
}

/** @param {string | null} from @param {Draft | null} draft null: it was sent */
export function keep(from, draft) {
  try {
    if (draft) sessionStorage.setItem(keyOf(from), JSON.stringify(draft));
    else sessionStorage.removeItem(keyOf(from));
  } catch {
    // Storage may be shut off or full; then a reload loses the draft, and nothing else.
  }
}

/** @param {number | null} sec */
const secondsTyped = (sec) => (sec === null ? '' : `${sec} s`);

/** Whether arguments can be written one a line, and read again the same. @param {string[]} command */
const fitLines = (command) => command.at(-1) !== '' && !command.some((one) => /[\r\n]/.test(one));

/** @param {JobView} job @returns {Pick<Draft, 'kind' | 'command'>} */
function commandOf({ command }) {
  if (typeof command === 'string') return { kind: 'shell', command };
  if (fitLines(command)) return { kind: 'arguments', command: command.join('\n') };
  return { kind: 'shell', command: lineOf(command) };
}

/** @param {Record<string, string>} pairs */
const lines = (pairs) => Object.entries(pairs).map(([name, value]) => `${name}=${value}`).join('\n');

/**
 * The variables whose values have line breaks, or those that have none.
 * @param {Record<string, string>} env
 * @param {boolean} wanted
 */
const withBreaks = (env, wanted) =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => /[\r\n]/.test(value) === wanted));

/** What lines cannot hold goes along as it is; '' for nothing. @param {Record<string, string>} env */
function beyondLines(env) {
  const more = withBreaks(env, true);
  return Object.keys(more).length ? JSON.stringify(more) : '';
}

/** Their names. @param {Draft} draft */
export const namesMore = (draft) => Object.keys(JSON.parse(draft.envMore || '{}'));

/** What another job was asked to do, to be changed and sent again. @param {JobView} job @returns {Draft} */
export function draftOf(job) {
  return {
    ...commandOf(job),
    name: job.name ?? '',
    tags: job.tags.join('\n'),
    cpu: job.cpu === null ? '' : String(job.cpu),
    ram: job.ramMb === null ? '' : `${job.ramMb} MB`,
    requires: lines(job.labels),
    env: lines(withBreaks(job.env, false)),
    timeout: secondsTyped(job.timeoutSec),
    retries: String(job.maxRetries),
    retryOn: job.retryOn.join(', '),
    backoffFirst: job.maxRetries ? secondsTyped(job.backoff.firstSec) : '',
    backoffMax: job.maxRetries ? secondsTyped(job.backoff.maxSec) : '',
    onLost: job.onLost,
    maxLost: job.onLost === 'requeue' ? String(job.maxLost) : '',
    priority: job.priority ? String(job.priority) : '',
    killGrace: secondsTyped(job.killGraceSec),
    runAt: job.runAt && Date.parse(job.runAt) > serverNow() ? exactly(Date.parse(job.runAt)) : '',
    ttl: secondsTyped(job.ttlSec),
    image: job.containerImage ?? '',
    network: job.network ?? EMPTY.network,
    pull: job.pull ?? EMPTY.pull,
    user: job.user ?? '',
    envMore: beyondLines(job.env),
    stdinBytes: job.stdinBytes ? String(job.stdinBytes) : '',
  };
}

/** Thrown for what the page itself sees to be wrong. */
export class Fault extends Error {
  /** @param {string} field @param {string} message */
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/**
 * `name=value` lines → an object.
 * @param {string} text
 * @param {string} field
 * @param {{ trimmed?: boolean }} [how] whether blanks round a value count for nothing
 */
export function pairsOf(text, field, { trimmed = false } = {}) {
  /** @type {Record<string, string>} */
  const pairs = {};
  for (const line of text.split(/\r?\n/)) {
    if (!line.trim()) continue;
    const at = line.indexOf('=');
    if (at < 1) throw new Fault(field, S.notAPair(line.trim()));
    const value = line.slice(at + 1);
    pairs[line.slice(0, at).trim()] = trimmed ? value.trim() : value;
  }
  return pairs;
}

/** @param {string} text @param {RegExp} between */
const listed = (text, between) => text.split(between).map((one) => one.trim()).filter(Boolean);

/** Raises Fault. @param {string} text @param {string} field */
export function numberOf(text, field) {
  const plain = text.trim().replace('−', '-');
  if (!/^[-+]?\d+(?:\.\d+)?$/.test(plain)) throw new Fault(field, S.notANumber);
  return Number(plain);
}

/** @param {string} text @param {string} field */
function durationOf(text, field) {
  const value = secondsOf(text);
  if (value === null) throw new Fault(field, S.notADuration);
  return value;
}

/** @param {Draft} draft @param {any} job what ends it, and when it may begin */
function addTimes(draft, job) {
  if (draft.timeout.trim()) job.timeoutSec = durationOf(draft.timeout, 'timeoutSec');
  if (draft.killGrace.trim()) job.killGraceSec = durationOf(draft.killGrace, 'killGraceSec');
  if (draft.ttl.trim()) job.ttlSec = durationOf(draft.ttl, 'ttlSec');
  if (!draft.runAt.trim()) return;
  const at = timeOf(draft.runAt);
  if (at === null) throw new Fault('runAt', S.notATime);
  job.runAt = new Date(at).toISOString();
}

/** @param {Draft} draft @param {any} job how often it is run again, when, and for what */
function addRetries(draft, job) {
  const retries = numberOf(draft.retries.trim() || '0', 'maxRetries');
  if (retries) job.maxRetries = retries;
  if (draft.retryOn.trim()) job.retryOn = listed(draft.retryOn, /,/);
  const first = draft.backoffFirst.trim();
  const most = draft.backoffMax.trim();
  if (first || most) {
    job.backoff = {};
    if (first) job.backoff.firstSec = durationOf(first, 'backoff.firstSec');
    if (most) job.backoff.maxSec = durationOf(most, 'backoff.maxSec');
  }
  if (draft.onLost === 'hold') return;
  job.onLost = draft.onLost;
  if (draft.maxLost.trim()) job.maxLost = numberOf(draft.maxLost, 'maxLost');
}

/** @param {Draft} draft @param {any} job what it runs in, if not on its worker's machine itself */
function addContainer(draft, job) {
  if (!draft.image.trim()) return;
  job.containerImage = draft.image.trim();
  if (draft.network !== EMPTY.network) job.network = draft.network;
  if (draft.pull !== EMPTY.pull) job.pull = draft.pull;
  if (draft.user.trim()) job.user = draft.user.trim();
}

/** What the API takes; raises Fault. @param {Draft} draft @returns {import('../types/api.js').NewJob} */
export function jobOf(draft) {
  if (!draft.command.trim()) throw new Fault('command', S.commandMissing);
  /** @type {any} */
  const job = {
    command: draft.kind === 'shell' ? draft.command : draft.command.replace(/\r?\n$/, '').split(/\r?\n/),
  };
  if (draft.name.trim()) job.name = draft.name.trim();
  if (draft.tags.trim()) job.tags = listed(draft.tags, /\n/);
  if (draft.cpu.trim()) job.cpu = numberOf(draft.cpu, 'cpu');
  if (draft.ram.trim()) {
    job.ramMb = mbOf(draft.ram);
    if (job.ramMb === null) throw new Fault('ramMb', S.notASize);
  }
  if (draft.requires.trim()) job.requires = pairsOf(draft.requires, 'requires', { trimmed: true });
  if (draft.env.trim() || draft.envMore) job.env = { ...JSON.parse(draft.envMore || '{}'), ...pairsOf(draft.env, 'env') };
  if (draft.priority.trim()) job.priority = numberOf(draft.priority, 'priority');
  addContainer(draft, job);
  addTimes(draft, job);
  addRetries(draft, job);
  return job;
}
