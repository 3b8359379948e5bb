// The output of a job that runs here, or did a moment ago: its last lines, as they come.
import { html } from '../html.js';
import { useEffect, useLayoutEffect, useRef } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { Buffer } from '../log/buffer.js';
import { Button } from '../parts/basics.js';
import { Icon } from '../parts/icons.js';
import { size } from '../words/time.js';
import { useFocus } from './focus.js';
import { lines } from './link.js';
import { W } from './words.js';

/** Lines that are drawn. */
const DRAWN = 2000;
const NEAR = 24;

/** @param {string} text */
const bytesOf = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

/** @param {{ of: { key: string, name: string }, onClose: () => void }} props */
export function Output({ of, onClose }) {
  const buffer = useSignal(new Buffer());
  const changes = useSignal(0);
  const shownTo = useRef(0);
  const told = useSignal('');
  const following = useSignal(true);
  const view = useRef(/** @type {HTMLElement | null} */ (null));
  const place = useFocus();
  useEffect(() => {
    const until = new AbortController();
    void read(of.key, until.signal, (part) => {
      if (part.start > shownTo.current) buffer.peek().leaveOut(part.start - shownTo.current);
      shownTo.current = part.end;
      for (const [stream, data] of part.pieces) buffer.peek().write(stream, bytesOf(data));
      if (part.over) told.value = W.outputOver;
      changes.value += 1;
    }).then((any) => {
      if (!any && !until.signal.aborted) told.value = W.outputGone;
    });
    return () => until.abort();
  }, []);
  useLayoutEffect(() => {
    const box = view.current;
    if (box && following.value) box.scrollTop = box.scrollHeight;
  }, [changes.value, following.value]);
  const onScroll = () => {
    const box = view.current;
    if (box) following.value = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
  };
  const shown = changes.value ? buffer.value.shown('both').slice(-DRAWN) : [];
  return html`<section class="over card" ref=${place} tabindex="-1" role="dialog" aria-modal="true" aria-label=${W.outputOf(of.name)}>
    <header>
      <h2 class="cut grows">${W.outputOf(of.name)}</h2>
      <${Button} kind="small bare" label=${W.close} onClick=${onClose}><${Icon} sign="close" /><//>
    </header>
    <div class="log-view plain" ref=${view} tabindex="0" role="log" aria-live="off" aria-label=${W.output} onScroll=${onScroll}>
      ${shown.length
        ? shown.map((line) => html`<${Row} key=${line.number} line=${line} />`)
        : html`<p class="log-empty">${told.value || W.noOutput}</p>`}
    </div>
    <footer>
      <span class="quiet grows" role="status">${told.value || (following.value ? W.following : '')}</span>
      ${changes.value ? html`<span class="faint">${size(shownTo.current)}</span>` : null}
      ${following.value ? null : html`<button type="button" class="pill" onClick=${() => (following.value = true)}>${W.toEnd}</button>`}
    </footer>
  </section>`;
}

/** @param {{ line: import('../log/buffer.js').LogLine }} props */
function Row({ line }) {
  if (line.leftOut) return html`<p class="log-empty">${(line.number === 1 ? W.outputCut : W.outputGap)(size(line.leftOut))}</p>`;
  return html`<div class=${`plain-row ${line.stream === 'stderr' ? 'err' : ''}`}>
    ${line.stream === 'stderr' ? html`<span class="for-readers">stderr: </span>` : null}
    ${line.pieces.map(({ text, look }) => (look ? html`<span class=${look}>${text}</span>` : text))}
  </div>`;
}

/**
 * Read all of it, until it is over; whether anything came.
 * @param {string} key @param {AbortSignal} until @param {(part: import('../types/window.js').Part) => void} tell
 */
async function read(key, until, tell) {
  let place = 0;
  let any = false;
  while (!until.aborted) {
    try {
      let over = true;
      for await (const part of lines(`/api/output?key=${encodeURIComponent(key)}&from=${place}`, until)) {
        any = true;
        place = part.end;
        over = part.over;
        tell(part);
      }
      if (over) return any;
    } catch {
      if (until.aborted) return any;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return any;
}
