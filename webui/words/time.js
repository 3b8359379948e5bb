// Times, durations, sizes and counts in words, always the same ones.
import { signal } from '../vendor/signals.js';
import { S } from '../strings.js';

/** By how much the server's clock is ahead of this machine's, in ms. */
let ahead = 0;
/** What is less lies within what an answer may take, and a whole second that it names. */
const AHEAD_MIN = 3000;

/** The time on the server's clock, by which everything that it tells of is dated, in ms. */
export const serverNow = () => Date.now() + ahead;

/** The time now in ms, as `serverNow` has it; it goes on each second while somebody looks. */
export const now = signal(Date.now());

/** Learn from an answer what time it is there. @param {string | null} date as its header says @param {number} asked when, in ms */
export function heardTime(date, asked) {
  const at = Date.parse(date ?? '');
  const here = Date.now();
  if (Number.isNaN(at) || here - asked > AHEAD_MIN / 2) return;
  const found = Math.abs(at - here) < AHEAD_MIN ? 0 : at - here;
  if (Math.abs(found - ahead) < AHEAD_MIN) return;
  ahead = found;
  now.value = serverNow();
}

/** Whether times are shown exactly. */
export const exact = signal(false);

/** Begin to count seconds. */
export function startClock() {
  const tick = () => {
    if (!document.hidden) now.value = serverNow();
  };
  setInterval(tick, 1000);
  document.addEventListener('visibilitychange', tick);
}

const SEC = 1000;
const MIN = 60 * SEC;
const HOUR = 60 * MIN;
const DAY = 24 * HOUR;

/** @param {number} n */
const two = (n) => String(n).padStart(2, '0');

/**
 * `now`, `12 s ago`, `3 min ago`, `14:02` today, `Mon 14:02` within a week, `3 Nov 14:02`, `3 Nov 2031 14:02`.
 * @param {number} at
 * @param {number} from
 */
export function since(at, from) {
  const age = from - at;
  if (age < 2 * SEC && age > -2 * SEC) return S.now;
  if (age >= 0 && age < MIN) return S.ago(`${Math.floor(age / SEC)} s`);
  if (age >= 0 && age < HOUR) return S.ago(`${Math.floor(age / MIN)} min`);
  const date = new Date(at);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (date.toDateString() === new Date(from).toDateString()) return clock;
  if (Math.abs(age) < 6 * DAY) return `${date.toLocaleDateString('en', { weekday: 'short' })} ${clock}`;
  const year = date.getFullYear() === new Date(from).getFullYear() ? '' : ` ${date.getFullYear()}`;
  return `${date.getDate()} ${date.toLocaleDateString('en', { month: 'short' })}${year} ${clock}`;
}

/** With seconds and zone. @param {number} at */
export function exactly(at) {
  const date = new Date(at);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const minutes = -date.getTimezoneOffset();
  const zone = `${minutes < 0 ? '−' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return `${day} ${clock} ${zone}`;
}

/** Only the clock, for what happened lately. @param {number} at */
export function clockOf(at) {
  return exactly(at).slice(11, 19);
}

/** Two units: `0.4 s`, `58 s`, `4 min 12 s`, `3 h 05 min`, `2 d 04 h`. @param {number} ms */
export function duration(ms) {
  const at = Math.max(0, ms);
  if (at < 10 * SEC) return `${(at / SEC).toFixed(1)} s`;
  if (at < MIN) return `${Math.round(at / SEC)} s`;
  if (at < HOUR) return `${Math.floor(at / MIN)} min ${two(Math.floor((at % MIN) / SEC))} s`;
  if (at < DAY) return `${Math.floor(at / HOUR)} h ${two(Math.floor((at % HOUR) / MIN))} min`;
  return `${Math.floor(at / DAY)} d ${two(Math.floor((at % DAY) / HOUR))} h`;
}

/** 1 MB is 2^20 bytes, as jobs ask for memory and as the server's sentences have it. @param {number} bytes */
export function size(bytes) {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const number = Number(value.toFixed(value >= 100 ? 0 : 1)).toLocaleString('en');
  return `${number} ${unit === 0 && bytes === 1 ? 'byte' : units[unit]}`;
}

/**
 * Memory in MB of 2^20 bytes, as the server's sentences have it: never more than there is, nor less than is asked for.
 * @param {number} mb
 * @param {boolean} [asked]
 */
export function memory(mb, asked = false) {
  const round = asked ? Math.ceil : Math.floor;
  if (mb < 1024) return `${round(mb)} MB`;
  const [value, unit] = mb < 1024 * 1024 ? [mb / 1024, 'GB'] : [mb / 1024 / 1024, 'TB'];
  return `${value >= 100 ? round(value) : round(value * 10) / 10} ${unit}`;
}

/** @param {number} n */
export function count(n) {
  return n.toLocaleString('en');
}

const UNITS = /** @type {Record<string, number>} */ ({ '': 1, s: 1, m: 60, min: 60, h: 3600, d: 86400 });

/** `90`, `90 s`, `5m`, `2 h` → seconds; null for what is no duration. @param {string} text */
export function secondsOf(text) {
  const found = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  const unit = found && UNITS[found[2].toLowerCase()];
  return found && unit ? Number(found[1]) * unit : null;
}

const TYPED = /^(\d{4}-\d\d-\d\d)[ T]+(\d\d:\d\d(?::\d\d(?:\.\d+)?)?) *(Z|[-+]\d\d:?\d\d)?$/i;

/** `2027-01-31 18:00`, in this browser's time zone or with one, as `exactly` writes it → ms; null for what is no time. @param {string} text */
export function timeOf(text) {
  const found = TYPED.exec(text.trim().replace('−', '-'));
  const at = found ? Date.parse(`${found[1]}T${found[2]}${found[3]?.toUpperCase() ?? ''}`) : NaN;
  return Number.isNaN(at) ? null : at;
}

/** What `from` and `to` of a list may be: a moment, or so long before `from`; null for neither. @param {string | null} text @param {number} from */
export function momentOf(text, from) {
  const found = /^-(\d+)([smhdw])$/.exec(text ?? '');
  if (found) return from - Number(found[1]) * { s: SEC, m: MIN, h: HOUR, d: DAY, w: 7 * DAY }[/** @type {'s'} */ (found[2])];
  const at = Date.parse(text ?? '');
  return Number.isNaN(at) ? null : at;
}

/** `512`, `512 MB`, `4 GiB` → MB of 2^20 bytes; null for what is no size. @param {string} text */
export function mbOf(text) {
  const found = /^\s*(\d+(?:\.\d+)?)\s*(?:([mgt])i?b?)?\s*$/i.exec(text);
  if (!found) return null;
  const times = { m: 1, g: 1024, t: 1024 * 1024 }[(found[2] ?? 'm').toLowerCase()] ?? 1;
  return Math.round(Number(found[1]) * times);
}
