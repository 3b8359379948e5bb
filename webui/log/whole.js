// Whether all that a job wrote is here: a tick for each stream that is whole, and what is known of one that is not.
import { html } from '../html.js';
import { S } from '../strings.js';
import { size } from '../words/time.js';
import { hasEnded } from '../words/job.js';
import { StatusIcon } from '../parts/icons.js';
import { outputOf } from './source.js';

/** @typedef {import('../types/api.js').StreamView} StreamView */

/** @param {string} name @param {StreamView} stream @returns {[string, string]} a status, and what is said */
function judged(name, stream) {
  if (stream.whole) return ['completed', S.whole(name, size(stream.bytes))];
  const lost = stream.lost.reduce((sum, [from, to]) => sum + to - from, 0);
  if (lost) return ['unknown', S.gap(name, size(lost))];
  if (stream.whole === null) return ['cancelled', S.lengthUnknown(name)];
  return ['unknown', S.notWhole(name)];
}

/** Nothing while it runs: no tick before the end. @param {{ job: import('../types/api.js').JobView, attempt: number }} props */
export function Whole({ job, attempt }) {
  const run = job.attempts.find((one) => one.attempt === attempt);
  if (!run || (run.finishedAt === null && !hasEnded(job))) return null;
  const output = outputOf(job, attempt);
  return html`<ul class="whole">
    ${['stdout', 'stderr'].map((name) => {
      const stream = name === 'stdout' ? output.stdout : output.stderr;
      const [status, text] = judged(name, stream);
      return html`<li key=${name} title=${stream.digest ? `SHA-256 ${stream.digest}` : null}>
        <${StatusIcon} status=${status} />${text}
      </li>`;
    })}
  </ul>`;
}
