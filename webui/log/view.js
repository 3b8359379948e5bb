// The log: a window over lines of one height. It follows while its reader is at the end; any move upwards pauses it, and
// only its reader lets it go on.
import { html } from '../html.js';
import { useSignal } from '../vendor/signals.js';
import { useEffect, useLayoutEffect, useMemo, useRef } from '../vendor/hooks.js';
import { S } from '../strings.js';
import { waits } from '../words/job.js';
import { count, size } from '../words/time.js';
import { Button, Trouble } from '../parts/basics.js';
import { Icon } from '../parts/icons.js';
import { Segments } from '../parts/field.js';
import { slice } from './ansi.js';
import { Whole } from './whole.js';

/** The height of a line in px, as `--log-row` has it. */
const ROW = 20;
const CELLS = 4096;
const AROUND = 40;
const SELECTED_MAX = 5000;

/** @param {{ line: import('./buffer.js').LogLine, top: number, open: boolean, onOpen: () => void }} props */
function Row({ line, top, open, onOpen }) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    place.current?.style.setProperty('--top', `${top}px`);
  }, [top]);
  const rest = line.length - CELLS;
  const pieces = rest > 0 && !open ? slice(line.pieces, 0, CELLS) : line.pieces;
  return html`<div ref=${place} class=${`log-row ${line.stream === 'stderr' ? 'err' : ''}`} data-number=${line.number}>
    ${line.stream === 'stderr' ? html`<span class="for-readers">stderr: </span>` : null}
    <span class="log-text">${pieces.map(({ text, look }) => (look ? html`<span class=${look}>${text}</span>` : text))}</span>
    ${rest > 0 && !open
      ? html`<button type="button" class="chip" onClick=${onOpen}>${S.restOf(size(rest + line.cut))}</button>`
      : null}
  </div>`;
}

/** The rows that are in view, and those round them; a selection keeps its rows. */
function useWindow() {
  const view = useRef(/** @type {HTMLElement | null} */ (null));
  const range = useSignal({ from: 0, to: 100 });
  const measure = () => {
    const box = view.current;
    if (!box) return;
    let from = Math.max(0, Math.floor(box.scrollTop / ROW) - AROUND);
    let to = Math.ceil((box.scrollTop + box.clientHeight) / ROW) + AROUND;
    const chosen = getSelection();
    if (chosen && !chosen.isCollapsed && box.contains(chosen.anchorNode)) {
      const kept = range.value;
      if (Math.max(to, kept.to) - Math.min(from, kept.from) < SELECTED_MAX) {
        from = Math.min(from, kept.from);
        to = Math.max(to, kept.to);
      }
    }
    if (from !== range.value.from || to !== range.value.to) range.value = { from, to };
  };
  return { view, range, measure };
}

/**
 * @param {{ source: import('./source.js').Source, stream: string, job: import('../types/api.js').JobView, attempt: number,
 *   onStream: (stream: string) => void }} props
 */
export function LogView({ source, stream, job, attempt, onStream }) {
  const { view, range, measure } = useWindow();
  const following = useSignal(true);
  const seen = useSignal(0);
  const opened = useSignal(/** @type {ReadonlySet<number>} */ (new Set()));
  const only = source.joined.value || stream !== 'both' ? stream : job.output.stdout.bytes ? 'stdout' : 'stderr';
  const changes = source.changes.value;
  const lines = useMemo(() => source.buffer.shown(only), [source, only, changes]);
  const state = source.state.value;
  const programmatic = useRef(-1);

  const toEnd = () => {
    const box = view.current;
    if (!box) return;
    box.scrollTop = box.scrollHeight;
    programmatic.current = box.scrollTop;
  };
  useLayoutEffect(() => {
    if (following.value) toEnd();
    measure();
  }, [lines, changes, following.value, state]);
  useEffect(() => {
    const box = view.current;
    if (!box) return undefined;
    const sized = new ResizeObserver(() => {
      if (following.value) toEnd();
      measure();
    });
    sized.observe(box);
    return () => sized.disconnect();
  }, []);

  const pause = () => {
    if (!following.value) return;
    following.value = false;
    seen.value = lines.length;
  };
  const go = () => {
    following.value = true;
    toEnd();
  };
  const onScroll = () => {
    measure();
    const box = view.current;
    if (!box || box.scrollTop === programmatic.current) return;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    if (!atEnd && box.scrollTop < programmatic.current) pause();
    else if (atEnd && state === 'ended') following.value = true;
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'End' || (event.key === 'f' && !event.ctrlKey && !event.metaKey)) go();
    else if (['PageUp', 'ArrowUp', 'Home'].includes(event.key)) pause();
  };

  const rows = [];
  for (let at = range.value.from; at < Math.min(lines.length, range.value.to); at += 1) {
    const line = lines[at];
    const onOpen = () => (opened.value = new Set([...opened.value, line.number]));
    rows.push(html`<${Row} key=${`${line.stream}${line.number}`} line=${line} top=${at * ROW}
      open=${opened.value.has(line.number)} onOpen=${onOpen} />`);
  }
  const refused = source.joined.value ? {} : { both: S.bothTooLarge };
  return html`<div class="log card">
    <header>
      <${Segments} label=${S.output} value=${only} refused=${refused} onChange=${onStream}
        options=${{ both: S.both, stdout: 'stdout', stderr: 'stderr' }} />
      <span class="room"></span>
      ${['stdout', 'stderr'].map((name) => downloadLink(job, attempt, name))}
    </header>
    <${Trouble} error=${source.error.value} />
    <${Before} source=${source} stream=${only} />
    <div class="log-view" ref=${view} tabindex="0" role="region" aria-label=${S.output} onScroll=${onScroll}
      onWheel=${(/** @type {WheelEvent} */ event) => event.deltaY < 0 && pause()} onKeyDown=${onKey}
      onTouchMove=${pause} data-lines=${lines.length}>
      ${lines.length ? html`<${Spacer} height=${lines.length * ROW}>${rows}<//>` : html`<p class="log-empty">${emptyText(state, job)}</p>`}
    </div>
    <footer>
      <${LogState} state=${state} job=${job} lines=${lines.length + (only === 'both' ? source.buffer.dropped : 0)} following=${following.value} onFollow=${go} onPause=${pause}
        held=${following.value ? 0 : Math.max(0, lines.length - seen.value)} />
      <${Whole} job=${job} attempt=${attempt} />
    </footer>
  </div>`;
}

/** @param {{ height: number, children?: any }} props */
function Spacer({ height, children }) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    place.current?.style.setProperty('--height', `${height}px`);
  }, [height]);
  return html`<div ref=${place} class="log-rows">${children}</div>`;
}

/** @param {import('../types/api.js').JobView} job @param {number} attempt @param {string} stream */
function downloadLink(job, attempt, stream) {
  if (!attempt) return null;
  const path = `/api/jobs/${encodeURIComponent(job.jobId)}/output?stream=${stream}&attempt=${attempt}&download=1`;
  return html`<a class="button small bare" href=${path} download title=${S.download(stream)}>
    <${Icon} sign="down" />${stream}
  </a>`;
}

/** @param {string} state @param {import('../types/api.js').JobView} job */
function emptyText(state, job) {
  if (state === 'reading' && job.attempt) return S.readingOutput;
  return state === 'ended' ? S.noOutput : S.startsHere;
}

/** What lies before the lines that are shown. @param {{ source: import('./source.js').Source, stream: string }} props */
function Before({ source, stream }) {
  void source.changes.value;
  const { stdout, stderr } = source.before.value;
  const bytes = stream === 'both' ? stdout + stderr : stream === 'stderr' ? stderr : stdout;
  if (!bytes && !source.buffer.dropped) return null;
  const canRead = !source.joined.value && source.state.value === 'ended' && !source.buffer.dropped;
  const text = source.buffer.dropped ? S.dropped(S.plural(source.buffer.dropped, 'line')) : S.earlier(size(bytes));
  return html`<div class="log-before">
    <span>${text}</span>
    ${canRead ? html`<${Button} kind="small" onClick=${() => source.earlier(stream)}>${S.loadEarlier}<//>` : null}
  </div>`;
}

/**
 * @param {{ state: string, job: import('../types/api.js').JobView, lines: number, following: boolean, held: number,
 *   onFollow: () => void, onPause: () => void }} props
 */
function LogState({ state, job, lines, following, held, onFollow, onPause }) {
  if (!lines && waits(job)) return null;
  if (state === 'ended' || state === 'failed') {
    return html`<span class="log-state">${S.ended(lines)}</span>
      ${following ? null : html`<button type="button" class="pill" onClick=${onFollow}>${'↓'}</button>`}`;
  }
  const live = job.status === 'unknown' ? S.silent : following ? S.following : S.paused;
  const word = state === 'cut' ? S.cutOff : state === 'reading' ? S.readingOutput : live;
  return html`<span class="log-state" role="status">${word}</span>
    <span class="faint">${count(lines)}</span>
    ${following
      ? html`<${Button} kind="small" onClick=${onPause}>${S.pause}<//>`
      : html`<button type="button" class="pill" onClick=${onFollow}>${held ? S.newLines(held) : S.follow}</button>`}`;
}
