// The workers, by id: read once, then kept by what the server tells of changes.
import { computed, signal } from '../vendor/signals.js';
import { asApiError, call } from './api.js';
import { tryUntilRead } from './again.js';
import { watch, whenBack } from './live.js';
import { visible, visibleLines } from '../words/foreign.js';

/** @typedef {import('../types/api.js').WorkerView} Worker */

/** null: not read yet. @type {import('../vendor/signals.js').Signal<ReadonlyMap<string, Worker> | null>} */
const known = signal(null);

/** @type {import('../vendor/signals.js').Signal<import('./api.js').ApiError | null>} */
export const workersError = signal(null);

const ORDER = ['online', 'draining', 'suspect', 'offline', 'lost', 'revoked'];

/** All of them, those that are here first; null: not read yet. */
export const workers = computed(() => {
  if (!known.value) return null;
  return [...known.value.values()].sort(
    (a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || a.name.localeCompare(b.name),
  );
});

/** What people call a worker. @param {string | null} id */
export function workerName(id) {
  return id === null ? '' : visible(known.value?.get(id)?.name ?? id);
}

const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** A sentence of the server with the names of workers for their ids. @param {string} text */
export const named = (text) => visibleLines(text).replace(ID, workerName);

/** Take what was learned of a worker. @param {Worker[]} some */
export function learn(some) {
  const next = new Map(known.value ?? []);
  for (const worker of some) {
    next.set(worker.workerId, worker);
    newer.set(worker.workerId, worker);
  }
  known.value = next;
}

/** Those that were told of while all were read: newer than what was read. @type {Map<string, Worker>} */
let newer = new Map();

/** Read all of them; whether that succeeded. */
export async function readWorkers() {
  newer = new Map();
  try {
    /** @type {import('../types/api.js').WorkersView} */
    const answer = await call('GET', '/api/workers/list');
    known.value = new Map(answer.workers.map((worker) => [worker.workerId, newer.get(worker.workerId) ?? worker]));
    workersError.value = null;
    return true;
  } catch (fault) {
    workersError.value = asApiError(fault);
    return false;
  }
}

/** Keep them current until what is returned is called. */
export function keepWorkers() {
  const end = watch({ what: 'workers' }, learn);
  const stop = whenBack(readWorkers);
  const healed = tryUntilRead(workersError, readWorkers);
  void readWorkers();
  return () => {
    end();
    stop();
    healed();
  };
}
