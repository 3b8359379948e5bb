// The new job as it is typed: kept until it is sent, so that nothing typed is lost; then made into what the API takes.
import { S } from '../strings.js';
import { mbOf, secondsOf } from '../words/time.js';

/** @typedef {import('../types/api.js').JobView} JobView */

export const EMPTY = {
  kind: 'shell', command: '', name: '', tags: '', cpu: '', ram: '', requires: '', env: '', timeout: '', retries: '0',
  retryOn: '', onLost: 'hold', priority: '',
};

/** @typedef {typeof EMPTY} Draft */

const KEY = 'new job';

/** @returns {Draft} what was typed before in this tab */
export function kept() {
  try {
    return { ...EMPTY, ...JSON.parse(sessionStorage.getItem(KEY) ?? '{}') };
  } catch {
    return { ...EMPTY };
  }
}

/** @param {Draft | null} draft null: it was sent */
export function keep(draft) {
  try {
    if (draft) sessionStorage.setItem(KEY, JSON.stringify(draft));
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage may be shut off or full; then a reload loses the draft, and nothing else.
  }
}

/** @param {Record<string, string>} pairs */
const lines = (pairs) => Object.entries(pairs).map(([name, value]) => `${name}=${value}`).join('\n');

/** What another job was asked to do, to be changed and sent again. @param {JobView} job @returns {Draft} */
export function draftOf(job) {
  return {
    kind: typeof job.command === 'string' ? 'shell' : 'arguments',
    command: typeof job.command === 'string' ? job.command : job.command.join('\n'),
    name: job.name ?? '',
    tags: job.tags.join(', '),
    cpu: job.cpu === null ? '' : String(job.cpu),
    ram: job.ramMb === null ? '' : `${job.ramMb} MB`,
    requires: lines(job.labels),
    env: lines(job.env),
    timeout: job.timeoutSec === null ? '' : `${job.timeoutSec} s`,
    retries: String(job.maxRetries),
    retryOn: job.retryOn.join(', '),
    onLost: job.onLost,
    priority: job.priority ? String(job.priority) : '',
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

/** `name=value` lines → an object. @param {string} text @param {string} field @param {RegExp} between */
export function pairsOf(text, field, between = /\r?\n/) {
  /** @type {Record<string, string>} */
  const pairs = {};
  for (const line of text.split(between)) {
    if (!line.trim()) continue;
    const at = line.indexOf('=');
    if (at < 1) throw new Fault(field, S.notAPair(line.trim()));
    pairs[line.slice(0, at).trim()] = line.slice(at + 1);
  }
  return pairs;
}

/** @param {string} text */
const listed = (text) => text.split(',').map((one) => one.trim()).filter(Boolean);

/** @param {string} text @param {string} field */
function numberOf(text, field) {
  const value = Number(text.trim().replace('−', '-'));
  if (!Number.isFinite(value)) throw new Fault(field, S.notANumber);
  return value;
}

/** What the API takes; raises Fault. @param {Draft} draft @returns {import('../types/api.js').NewJob} */
export function jobOf(draft) {
  if (!draft.command.trim()) throw new Fault('command', S.commandMissing);
  /** @type {any} */
  const job = {
    command: draft.kind === 'shell' ? draft.command : draft.command.replace(/\r?\n$/, '').split(/\r?\n/),
  };
  if (draft.name.trim()) job.name = draft.name.trim();
  if (draft.tags.trim()) job.tags = listed(draft.tags);
  if (draft.cpu.trim()) job.cpu = numberOf(draft.cpu, 'cpu');
  if (draft.ram.trim()) {
    job.ramMb = mbOf(draft.ram);
    if (job.ramMb === null) throw new Fault('ramMb', S.notASize);
  }
  if (draft.requires.trim()) job.requires = pairsOf(draft.requires, 'requires');
  if (draft.env.trim()) job.env = pairsOf(draft.env, 'env');
  if (draft.timeout.trim()) {
    job.timeoutSec = secondsOf(draft.timeout);
    if (job.timeoutSec === null) throw new Fault('timeoutSec', S.notADuration);
  }
  const retries = numberOf(draft.retries || '0', 'maxRetries');
  if (retries) job.maxRetries = retries;
  if (draft.retryOn.trim()) job.retryOn = listed(draft.retryOn);
  if (draft.onLost !== 'hold') job.onLost = draft.onLost;
  if (draft.priority.trim()) job.priority = numberOf(draft.priority, 'priority');
  return job;
}
