// What jobs are called of which only the id is told: those on the cards of workers. They are asked for together, now and
// then, in one list; what is not in it stays an id.
import { signal } from '../vendor/signals.js';
import { titleOf } from '../words/job.js';
import { call } from './api.js';

const LISTED = 200;
const KEPT = 2000;
const PAUSE_MS = 2000;
const HELD = 'status=running&status=assigned&status=unknown';

/** By id; '': it was looked for and not found. @type {import('../vendor/signals.js').Signal<ReadonlyMap<string, string>>} */
const titles = signal(new Map());
/** @type {Set<string>} */
const wanted = new Set();
let busy = false;

/** What the job is called; '' if that is not known. @param {string} id */
export const titleBy = (id) => titles.value.get(id) ?? '';

/** Learn what these jobs are called. @param {string[]} ids */
export function wantTitles(ids) {
  for (const id of ids) if (!titles.peek().has(id)) wanted.add(id);
  if (wanted.size && !busy) void read();
}

async function read() {
  busy = true;
  const asked = [...wanted];
  wanted.clear();
  try {
    /** @type {import('../types/api.js').JobsPage} */
    const page = await call('GET', `/api/jobs?${HELD}&limit=${LISTED}`);
    const found = page.jobs.map((job) => /** @type {const} */ ([job.jobId, titleOf(job)]));
    const all = [...titles.peek(), ...asked.map((id) => /** @type {const} */ ([id, ''])), ...found];
    titles.value = new Map(all.slice(-KEPT));
  } catch {
    // They stay ids until something changes on their cards.
  }
  setTimeout(() => {
    busy = false;
    wantTitles([...wanted]);
  }, PAUSE_MS);
}
