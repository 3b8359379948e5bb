// A long list of rows of one height, of which only those in view, and a few beside them, are drawn.
import { html } from '../html.js';
import { useLayoutEffect, useRef } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';

/** Rows that are drawn above and below what is seen: the focus moves on to them, and they come into view. */
const MORE = 6;
/** As good as any until the first is drawn. */
const HEIGHT = 37;

/**
 * @template T
 * @param {{ items: T[], draw: (item: T, of: { 'aria-setsize': number, 'aria-posinset': number }) => unknown }} props
 *   `draw` makes an `li` with those attributes
 */
export function Rows({ items, draw }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const seen = useSignal({ top: 0, high: 0, row: HEIGHT });
  const look = () => {
    const list = box.current;
    if (!list) return;
    const now = { top: list.scrollTop, high: list.clientHeight, row: list.querySelector('li')?.offsetHeight || HEIGHT };
    const { top, high, row } = seen.peek();
    if (now.top !== top || now.high !== high || now.row !== row) seen.value = now;
  };
  useLayoutEffect(() => {
    const sized = new ResizeObserver(look);
    if (box.current) sized.observe(box.current);
    return () => sized.disconnect();
  }, []);
  const { top, high, row } = seen.value;
  const first = Math.max(0, Math.min(items.length - 1, Math.floor(top / row)) - MORE);
  const last = Math.min(items.length, Math.ceil((top + high) / row) + MORE);
  useLayoutEffect(() => {
    box.current?.style.setProperty('--before', `${first * row}px`);
    box.current?.style.setProperty('--after', `${(items.length - last) * row}px`);
  }, [first, last, row, items.length]);
  return html`<ul class="rows long" ref=${box} onScroll=${look}>
    ${items.slice(first, last).map((item, at) => draw(item, { 'aria-setsize': items.length, 'aria-posinset': first + at + 1 }))}
  </ul>`;
}
