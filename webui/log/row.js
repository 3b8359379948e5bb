// A line of the log: its number, its pieces, and how much of it is not shown.
import { html } from '../html.js';
import { useLayoutEffect, useMemo, useRef } from '../vendor/hooks.js';
import { S } from '../strings.js';
import { size } from '../words/time.js';
import { slice } from './ansi.js';

/** @typedef {import('./buffer.js').LogLine} LogLine */

/** Characters of a line that are shown at first. */
const CELLS = 4096;
/** Pieces of a line that have their looks: a window full of more would take longer than a frame. The rest is plain. */
const PIECES_MAX = 64;

/** @param {LogLine} line @param {boolean} open */
function textOf(line, open) {
  const pieces = line.length > CELLS && !open ? slice(line.pieces, 0, CELLS) : line.pieces;
  const plain = pieces.slice(PIECES_MAX).map(({ text }) => text).join('');
  const shown = pieces.slice(0, PIECES_MAX).map(({ text, look }) => (look ? html`<span class=${look}>${text}</span>` : text));
  return html`<span class="log-text">${shown}${plain}</span>`;
}

/** @param {{ line: LogLine, number: string, top: number, open: boolean, marked: boolean, onOpen: () => void }} props */
export function Row({ line, number, top, open, marked, onOpen }) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    place.current?.style.setProperty('--top', `${top}px`);
  }, [top]);
  const text = useMemo(() => textOf(line, open), [line, open]);
  if (line.heading) return html`<div ref=${place} class="log-row heading" data-number=""><span>${line.stream}</span></div>`;
  const rest = line.length - CELLS;
  return html`<div ref=${place} class=${`log-row ${line.stream === 'stderr' ? 'err' : ''} ${marked ? 'marked' : ''}`} data-number=${number}>
    ${line.stream === 'stderr' ? html`<span class="for-readers">stderr: </span>` : null}
    ${text}
    ${rest > 0 && !open
      ? html`<button type="button" class="chip" onClick=${onOpen}>${S.restOf(size(rest + line.cut))}</button>`
      : line.cut ? html`<span class="log-cut">${S.leftOut(size(line.cut))}</span>` : null}
  </div>`;
}
