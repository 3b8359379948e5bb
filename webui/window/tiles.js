// How busy the machine is, and how full this worker.
import { html } from '../html.js';
import { useEffect, useRef } from '../vendor/hooks.js';
import { size } from '../words/time.js';
import { W } from './words.js';

/** @param {number} share */
const percent = (share) => `${Math.min(1, share) * 100}%`;

/** @param {{ label: string, value: string, more: string, share: number, limit?: number | null }} props `limit`: how far it may go */
function Tile({ label, value, more, share, limit = null }) {
  const bar = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    bar.current?.style.setProperty('--share', percent(share));
    bar.current?.style.setProperty('--limit', percent(limit ?? 1));
  }, [share, limit]);
  return html`<div class="tile">
    <p class="tile-label">${label}</p>
    <p class="tile-value">${value}</p>
    <div class=${`tile-bar ${limit === null || limit >= 1 ? '' : 'limited'}`} ref=${bar}></div>
    <p class="tile-more">${more}</p>
  </div>`;
}

/** @param {{ now: import('../types/window.js').State }} props */
export function Tiles({ now }) {
  const { machine, jobs, slots } = now;
  if (!machine) return null;
  const { cpu, cores, cpuLimit, memoryBytes, memoryTotalBytes, memoryLimitBytes } = machine;
  return html`<section class="tiles" aria-label=${W.jobs}>
    <${Tile} label=${W.cpu} value=${W.percent(Math.round(cpu * 100))} share=${cpu} limit=${cpuLimit === null ? null : cpuLimit / cores}
      more=${cpuLimit === null ? W.cores(cores) : W.coresLimit(cpuLimit)} />
    <${Tile} label=${W.memory} value=${size(memoryBytes)} share=${memoryBytes / memoryTotalBytes}
      limit=${memoryLimitBytes === null ? null : memoryLimitBytes / memoryTotalBytes}
      more=${memoryLimitBytes === null ? W.ofMemory(size(memoryTotalBytes)) : W.memoryLimit(size(memoryLimitBytes))} />
    <${Tile} label=${W.jobs} value=${W.ofSlots(jobs.length, slots)} share=${jobs.length / slots} more=${W.done(now.done)} />
  </section>`;
}
