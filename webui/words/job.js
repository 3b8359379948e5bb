// What is said of a job: its title, its status with the reason, and one sentence why it waits, runs or ended.
import { named } from '../data/workers.js';
import { S } from '../strings.js';
import { visible } from './foreign.js';
import { duration, exactly, serverNow, since } from './time.js';

/** @typedef {import('../types/api.js').JobRow} JobRow */
/** @typedef {import('../types/api.js').JobView} JobView */

/** In the order in which they are filtered by. */
export const STATUSES = ['running', 'queued', 'assigned', 'scheduled', 'unknown', 'failed', 'completed', 'cancelled'];

const ENDED = new Set(['completed', 'failed', 'cancelled']);
/** A time as the API writes it. */
const MOMENT = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;

const WAITING = new Set(['scheduled', 'queued', 'assigned']);

/** @param {{ status: string }} job */
export const hasEnded = (job) => ENDED.has(job.status);

/** @param {{ status: string }} job */
export const waits = (job) => WAITING.has(job.status);

/** A command as a line. @param {string | string[]} command */
export function lineOf(command) {
  return typeof command === 'string' ? command : command.map(quoted).join(' ');
}

/** One argument for a POSIX shell. @param {string} word */
export function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** One line, fit to be seen among others: what is in the first line of a command that has no name. @param {JobRow | JobView} job */
export function titleOf(job) {
  const lines = job.name === null ? lineOf(job.command).split('\n') : [job.name];
  return visible(lines.map((line) => line.trim()).find(Boolean) ?? job.jobId);
}

/** The reason after the status word. @param {JobRow | JobView} job */
export function reasonOf(job) {
  if (job.cancelRequested && !hasEnded(job)) return S.cancelling;
  if (job.status === 'cancelled' && job.confirmed === false) return 'not confirmed';
  if (job.status !== 'failed') return '';
  if (job.reason === 'exit') return `exit ${job.exitCode ?? '?'}`;
  if (job.reason === 'signal' && job.signal !== null) return `signal ${job.signal}`;
  return job.reason ?? '';
}

const REASONS = /** @type {Record<string, (job: JobRow | JobView) => string>} */ ({
  exit: (job) => `exit code ${job.exitCode ?? S.notKnown}`,
  signal: (job) => `ended by signal ${job.signal ?? S.notKnown}`,
  timeout: () => 'stopped after its time limit',
  oom: () => 'needed more memory than it may have',
  start: () => 'could not be started',
  image: () => 'image could not be had',
  worker: () => 'worker gave it up',
  lost: () => 'worker lost, given up',
  rejected: () => 'every matching worker’s owner refuses',
  expired: () => 'waited past its limit',
  dependency: () => 'a job it depends on did not complete',
});

/** Why it waits, or how it ended, in one sentence; '' where the status says it all. @param {JobRow | JobView} job */
export function whyOf(job) {
  if (waits(job)) return named(job.waitingFor ?? '').replace(MOMENT, (moment) => exactly(Date.parse(moment)));
  if (job.message) return named(job.message);
  if (job.status === 'failed') return REASONS[job.reason ?? '']?.(job) ?? job.reason ?? '';
  if (job.status === 'unknown') return 'Its worker is silent. It may still be running there.';
  if (job.status === 'cancelled' && job.confirmed === false) return 'The worker has not confirmed that nothing runs.';
  return '';
}

/** The same beside the status and its reason, so without what these say already. @param {JobRow | JobView} job */
export function briefWhyOf(job) {
  return job.status === 'failed' && job.reason === 'exit' ? '' : whyOf(job);
}

/** How long it ran, or has run; null before it ran. @param {JobRow | JobView} job @param {number} now */
export function ranFor(job, now) {
  if (!job.startedAt) return null;
  const end = job.finishedAt ? Date.parse(job.finishedAt) : now;
  return end - Date.parse(job.startedAt);
}

/** The moment that a row shows: its end, else its start, else when it was submitted. @param {JobRow | JobView} job */
export function whenOf(job) {
  return Date.parse(job.finishedAt ?? job.startedAt ?? job.createdAt);
}

/** @param {string} text */
const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

/** @param {string} text */
const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

/**
 * The sentence under the title.
 * @param {JobView} job
 * @param {string} worker what people call its worker
 * @param {number} now
 */
export function sentenceOf(job, worker, now) {
  const on = worker ? ` on ${worker}` : '';
  const ran = ranFor(job, now);
  const took = ran === null ? '' : ` after ${duration(ran)}`;
  const run = job.run > 1 ? `, run ${job.run}` : '';
  const ended = job.finishedAt ? ` · ${since(Date.parse(job.finishedAt), now)}` : '';
  const why = whyOf(job);
  if (waits(job)) return capital(sentence(why || job.status));
  if (job.status === 'running' && job.phase && !job.cancelRequested) return `${capital(job.phase)}${on}`;
  if (job.status === 'running') {
    const asked = job.cancelRequested ? 'Being cancelled' : 'Running';
    return `${asked}${on} for ${duration(ran ?? 0)}${run}`;
  }
  if (job.status === 'unknown') return sentence(worker ? why.replace('Its worker', () => worker) : why);
  if (job.status === 'completed') return `Completed${took}${on}${run}${ended}`;
  return `${capital(job.status)}${took}${on}${run}${why ? `: ${why.replace(/\.$/, '')}` : ''}${ended}`;
}

/** The command line that submits the same. @param {JobView} job */
export function asCli(job) {
  const words = ['cmdexec', 'run'];
  if (job.name) words.push('--name', quoted(job.name));
  for (const [name, value] of Object.entries(job.env)) words.push('--env', quoted(`${name}=${value}`));
  if (job.timeoutSec !== null) words.push('--timeout', `${job.timeoutSec}s`);
  if (job.killGraceSec !== null) words.push('--kill-grace', `${job.killGraceSec}s`);
  if (job.cpu !== null) words.push('--cpu', String(job.cpu));
  if (job.ramMb !== null) words.push('--ram', `${job.ramMb}MB`);
  for (const [name, value] of Object.entries(job.labels)) words.push('--requires', quoted(`${name}=${value}`));
  for (const tag of job.tags) words.push('--tag', quoted(tag));
  if (job.priority) words.push('--priority', String(job.priority));
  if (job.maxRetries) words.push('--retries', String(job.maxRetries));
  if (job.retryOn.length) words.push('--retry-on', quoted(job.retryOn.join(',')));
  if (job.onLost !== 'hold') words.push('--on-lost', job.onLost);
  if (job.runAt && Date.parse(job.runAt) > serverNow()) words.push('--run-at', job.runAt);
  if (job.ttlSec !== null) words.push('--ttl', `${job.ttlSec}s`);
  if (job.containerImage) words.push('--image', quoted(job.containerImage));
  if (job.network === 'bridge') words.push('--network', job.network);
  if (job.pull && job.pull !== 'missing') words.push('--pull', job.pull);
  if (job.user) words.push('--user', job.user);
  words.push('--', ...wordsOf(job.command));
  return words.join(' ');
}

/** One word that a shell would take as it is becomes a program, and any other one a line: `sh -c` says which. @param {string | string[]} command */
function wordsOf(command) {
  if (typeof command === 'string') {
    const isLine = command.trim() !== '' && quoted(command) !== command;
    return isLine ? [quoted(command)] : ['sh', '-c', quoted(command)];
  }
  const [word] = command;
  const isLine = command.length === 1 && word.trim() !== '' && quoted(word) !== word;
  return isLine ? ['sh', '-c', quoted('exec "$0"'), quoted(word)] : command.map(quoted);
}

/** What of a job that line cannot say; '' for nothing. @param {JobView} job */
export function beyondCli(job) {
  const { firstSec, maxSec } = job.backoff;
  const parts = [];
  if (job.stdinBytes) parts.push(S.cliInput);
  if (job.maxRetries && (firstSec !== 1 || maxSec !== 300)) parts.push(S.cliPauses);
  if (job.onLost === 'requeue' && job.maxLost !== 3) parts.push(S.cliLost);
  return parts.length ? S.cliLacks(parts.join(', ')) : '';
}
