// The address is the view: pages read `place` and change it by `go`. Back and forward restore where the reader was.
import { signal } from './vendor/signals.js';

/** @typedef {{ path: string, query: URLSearchParams }} Place */

/** @returns {Place} */
function read() {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

export const place = signal(read());

/** How far each entry of the history was scrolled. @type {Map<number, number>} */
const scrolled = new Map();
let entry = 0;

/** @returns {HTMLElement | null} */
const scroller = () => document.querySelector('main');

/**
 * Go to an address of this server; `replace`: without a step back to here.
 * @param {string} url
 * @param {{ replace?: boolean }} [how]
 */
export function go(url, { replace = false } = {}) {
  scrolled.set(entry, scroller()?.scrollTop ?? 0);
  if (replace) {
    history.replaceState({ entry }, '', url);
  } else {
    entry += 1;
    history.pushState({ entry }, '', url);
  }
  const before = place.value.path;
  place.value = read();
  if (place.value.path === before) return;
  scroller()?.scrollTo(0, 0);
  scroller()?.focus({ preventScroll: true });
}

/**
 * Change parts of the query, without a step in the history; '' or an empty list takes a part away.
 * @param {Record<string, string | string[]>} parts
 */
export function refine(parts) {
  const query = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(parts)) {
    query.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) if (one) query.append(name, one);
  }
  const text = query.toString();
  go(place.value.path + (text ? `?${text}` : ''), { replace: true });
}

/** The path after login that `next` names, if it is one of this server's pages. @param {string | null} next */
export function safeNext(next) {
  const to = next?.startsWith('/') && URL.canParse(next, location.origin) ? new URL(next, location.origin) : null;
  if (!to || to.origin !== location.origin || to.pathname.startsWith('//')) return '/jobs';
  return to.pathname === '/login' || to.pathname.startsWith('/api/') ? '/jobs' : to.pathname + to.search;
}

/** @param {MouseEvent} event */
function follow(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (link.pathname.startsWith('/api/')) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

/** Begin to follow links and the history's own steps. */
export function startRouter() {
  history.scrollRestoration = 'manual';
  history.replaceState({ entry }, '');
  document.addEventListener('click', follow);
  addEventListener('popstate', (event) => {
    const left = place.value.path;
    scrolled.set(entry, scroller()?.scrollTop ?? 0);
    entry = event.state?.entry ?? 0;
    place.value = read();
    requestAnimationFrame(() => {
      scroller()?.scrollTo(0, scrolled.get(entry) ?? 0);
      const links = /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll('main a'));
      [...links].find((link) => link.pathname === left)?.focus({ preventScroll: true });
    });
  });
}
