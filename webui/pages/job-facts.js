// What a job was asked to do, and what happened to it.
import { html } from '../html.js';
import { named, workerName } from '../data/workers.js';
import { S } from '../strings.js';
import { Copy, Time } from '../parts/basics.js';
import { visible, visibleLines } from '../words/foreign.js';
import { lineOf } from '../words/job.js';
import { duration, memory, size } from '../words/time.js';

/** @typedef {import('../types/api.js').JobView} JobView */

/** A longer name may be cut in the title. */
const CUT = 24;

/** @param {JobView} job */
function needs(job) {
  const parts = [];
  if (job.cpu !== null) parts.push(`${job.cpu} CPU`);
  if (job.ramMb !== null) parts.push(memory(job.ramMb, true));
  return parts.join(', ');
}

/** What differs from any other job in a container. @param {JobView} job */
function container(job) {
  if (!job.containerImage) return '';
  const more = [];
  if (job.network === 'bridge') more.push(S.withNetwork);
  if (job.pull && S.pulled[job.pull]) more.push(S.pulled[job.pull]);
  if (job.user) more.push(S.asUser(job.user));
  return S.containerFact(visible(job.containerImage), more);
}

/** @param {Record<string, string>} pairs */
const pairs = (pairs) =>
  Object.entries(pairs).map(([name, value]) => html`<code class="pair" key=${name}>${visible(name)}=${visibleLines(value)}</code>`);

/** @param {JobView} job @returns {[string, any][]} what is known, in order; '' is left out */
function known(job) {
  const f = S.fact;
  const env = Object.keys(job.env).length;
  return [
    [f.name, job.name && job.name.length > CUT ? visible(job.name) : ''],
    [f.worker, workerName(job.workerId)],
    [f.container, container(job)],
    [f.needs, needs(job)],
    [f.labels, Object.keys(job.labels).length ? pairs(job.labels) : ''],
    [f.lost, job.onLost === 'hold' ? S.hold : S.requeueLost(job.maxLost)],
    [f.retries, job.maxRetries ? S.retries(job.retriesUsed, job.maxRetries) : S.noRetries],
    [f.timeout, job.timeoutSec === null ? '' : duration(job.timeoutSec * 1000)],
    [f.priority, job.priority || ''],
    [f.runAt, job.runAt ? html`<${Time} at=${job.runAt} />` : ''],
    [f.ttl, job.ttlSec === null ? '' : duration(job.ttlSec * 1000)],
    [f.stdin, job.stdinBytes ? size(job.stdinBytes) : ''],
    [f.env, env ? pairs(job.env) : ''],
    [f.tags, job.tags.length ? job.tags.map((tag) => html`<a class="tag" href=${`/jobs?tag=${encodeURIComponent(tag)}`}>${visible(tag)}</a> `) : ''],
    [f.used, job.usage ? `${duration(job.usage.cpuSec * 1000)} CPU, ${size(job.usage.peakRssMb * 2 ** 20)} at most` : ''],
    [f.rerunOf, job.rerunOf ? html`<a href=${`/jobs/${job.rerunOf}`}><code>${job.rerunOf.slice(0, 13)}…</code></a>` : ''],
    [f.times, html`<${Time} at=${job.createdAt} />`],
  ];
}

/** @param {{ job: JobView }} props */
export function Facts({ job }) {
  const line = lineOf(job.command);
  return html`<aside class="facts card">
    <header><h2>${S.facts}</h2></header>
    <div class="inside">
      <dl>
        <dt>${S.fact.command} <${Copy} text=${line} /></dt>
        <dd><pre class="command">${visibleLines(line)}</pre></dd>
        ${known(job)
          .filter(([, value]) => value !== '' && value !== null)
          .map(([name, value]) => html`<dt key=${`${name}-t`}>${name}</dt><dd key=${`${name}-d`}>${value}</dd>`)}
      </dl>
      <details>
        <summary>${S.history}</summary>
        <ol class="history">
          ${job.history.map(
            (one, at) => html`<li key=${at}><${Time} at=${one.at} /> <span>${one.event}${one.note ? `: ${named(one.note)}` : ''}</span></li>`,
          )}
        </ol>
      </details>
    </div>
  </aside>`;
}
