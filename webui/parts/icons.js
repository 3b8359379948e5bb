// Silhouettes of states, and the few signs of buttons. All are SVG nodes; colour comes from classes.
import { html } from '../html.js';

const OCTAGON = 'M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3z';
const ring = () => html`<circle cx="8" cy="8" r="6.25" />`;

const STATES = /** @type {Record<string, () => unknown>} */ ({
  completed: () => html`<circle class="full" cx="8" cy="8" r="6.25" /><path class="glyph" d="m5.2 8.3 2 2 3.7-4.2" />`,
  failed: () => html`<path class="full" d=${OCTAGON} /><path class="glyph" d="m5.8 5.8 4.4 4.4m0-4.4-4.4 4.4" />`,
  cancelled: () => html`${ring()}<path d="m4 12 8-8" />`,
  running: () => html`${ring()}<path class="solid" d="M6.4 5v6l4.8-3z" />`,
  queued: () => html`<circle cx="8" cy="8" r="6.25" stroke-dasharray="2.4 2.5" /><circle class="solid" cx="8" cy="8" r="1.9" />`,
  assigned: () => html`${ring()}<path class="solid" d="M8 3.6a4.4 4.4 0 0 1 0 8.8z" />`,
  scheduled: () => html`${ring()}<path d="M8 4.6V8l2.4 1.6" />`,
  unknown: () =>
    html`<path class="full" d="M8 1.8 15 14H1z" /><path class="glyph" d="M6.6 7.1c.2-1.9 3-1.7 2.8.1-.1.9-1.4 1-1.4 2.1" /><path class="glyph" d="M8 11.7v.1" />`,
  away: () => html`<path class="full" d="M8 1.8 15 14H1z" /><path class="glyph" d="M8 6.3v3.2M8 11.7v.1" />`,
  paused: () => html`${ring()}<path d="M6.4 5.6v4.8M9.6 5.6v4.8" />`,
});

/** Which status lends a worker's state its colour, and which silhouette it has. */
const BORROWED = /** @type {Record<string, [string, string]>} */ ({
  online: ['completed', 'completed'],
  offline: ['unknown', 'away'],
  lost: ['unknown', 'away'],
  draining: ['cancelled', 'paused'],
  suspect: ['unknown', 'away'],
  revoked: ['cancelled', 'cancelled'],
});

/** @param {{ status: string, large?: boolean }} props a job's status or a worker's state */
export function StatusIcon({ status, large = false }) {
  const [tone, shape] = BORROWED[status] ?? [status, status];
  const draw = STATES[shape] ?? STATES.unknown;
  return html`<svg class=${`status-icon ${tone} ${large ? 'large' : ''}`} viewBox="0 0 16 16" aria-hidden="true">
    ${draw()}
  </svg>`;
}

const SIGNS = /** @type {Record<string, string>} */ ({
  jobs: 'M2.5 4h11M2.5 8h11M2.5 12h7',
  add: 'M8 3v10M3 8h10',
  workers: 'M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.1M5 11h.1',
  search: 'M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9m3.3 7.8 3.2 3.2',
  theme: 'M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12',
  out: 'M9.5 3h-6v10h6M7 8h7m-2.5-2.5L14 8l-2.5 2.5',
  copy: 'M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3',
  down: 'M8 2.5v8m-3.5-3 3.5 3.5 3.5-3.5M3 13.5h10',
  brand: 'm2.5 4 4 4-4 4M8.5 12h5',
  keys: 'M1.5 4h13v8h-13zM4 6.5h.1M7 6.5h.1M10 6.5h.1M12 6.5h.1M5 9.5h6',
  close: 'm4 4 8 8m0-8-8 8',
});

/** @param {{ sign: string }} props */
export function Icon({ sign }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${SIGNS[sign] ?? ''} /></svg>`;
}
