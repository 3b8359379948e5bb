// The log: a window over lines of one height. It follows while its reader is at the end; any move upwards pauses it, and
// only its reader lets it go on.
import { html } from '../html.js';
import { useSignal } from '../vendor/signals.js';
import { useEffect, useLayoutEffect, useMemo, useRef } from '../vendor/hooks.js';
import { S } from '../strings.js';
import { waits } from '../words/job.js';
import { size } from '../words/time.js';
import { Button, Trouble, toast } from '../parts/basics.js';
import { Icon } from '../parts/icons.js';
import { Segments } from '../parts/field.js';
import { Row } from './row.js';
import { fullerOf } from './source.js';
import { Whole } from './whole.js';

/** The height of a line in px, as `--log-row` has it. */
const ROW = 20;
const AROUND = 12;
const SELECTED_MAX = 5000;
/** What a line that tells of an error has in it, and how many lines are shown above the first one. */
const ERROR = /\b(?:\w*(?:error|exception)|fatal|traceback|panic|panicked|failed)\b/i;
const ABOVE = 4;
/** Lines from which on numbers need more room. */
const WIDE = 100_000;

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
  const following = useSignal(job.status !== 'completed' || !source.joined.value);
  const seen = useSignal(0);
  const marked = useSignal('');
  const opened = useSignal(/** @type {ReadonlySet<string>} */ (new Set()));
  const only = source.joined.value || stream !== 'both' ? stream : fullerOf(job, attempt);
  useEffect(() => {
    marked.value = '';
    opened.value = new Set();
  }, [source]);
  const changes = source.changes.value;
  const state = source.state.value;
  const over = state === 'ended' || state === 'failed';
  const shown = useMemo(() => shownOf(source, only), [source, only, changes, over]);
  const { lines, front, total, numberOf } = shown;
  const programmatic = useRef(-1);
  const before = useRef({ source, only, front });

  const toEnd = () => {
    const box = view.current;
    if (!box) return;
    box.scrollTop = box.scrollHeight;
    programmatic.current = box.scrollTop;
  };
  useLayoutEffect(() => {
    const box = view.current;
    const was = before.current;
    before.current = { source, only, front };
    if (over && box && box.scrollHeight <= box.clientHeight) following.value = true;
    if (following.value) toEnd();
    else if (box && was.source === source && was.only === only && was.front !== front) box.scrollTop -= (front - was.front) * ROW;
    measure();
  }, [shown, following.value, state]);
  const pause = () => {
    if (!following.value) return;
    following.value = false;
    seen.value = total;
  };
  const pauseIfLive = () => {
    if (!over) pause();
  };
  const latest = useRef(pauseIfLive);
  latest.current = pauseIfLive;
  useEffect(() => {
    const box = view.current;
    if (!box) return undefined;
    const sized = new ResizeObserver(() => {
      if (following.value) toEnd();
      measure();
    });
    sized.observe(box);
    const onSelection = () => {
      const chosen = getSelection();
      if (chosen && !chosen.isCollapsed && box.contains(chosen.anchorNode)) latest.current();
    };
    document.addEventListener('selectionchange', onSelection);
    return () => {
      sized.disconnect();
      document.removeEventListener('selectionchange', onSelection);
    };
  }, []);

  const go = () => {
    following.value = true;
    toEnd();
  };
  const toError = () => {
    const found = lines.findIndex((line) => line.pieces.some(({ text }) => ERROR.test(text)));
    const at = found < 0 ? lines.findIndex((line) => line.stream === 'stderr' && !line.heading) : found;
    if (at < 0) return toast(S.noError);
    pause();
    if (view.current) view.current.scrollTop = Math.max(0, (at - ABOVE) * ROW);
    view.current?.focus({ preventScroll: true });
    marked.value = keyOf(lines[at]);
    return undefined;
  };
  const onScroll = () => {
    measure();
    const box = view.current;
    if (!box || box.scrollTop === programmatic.current) return;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    if (!atEnd && box.scrollTop < programmatic.current) pause();
    else if (atEnd && state === 'ended') {
      following.value = true;
      programmatic.current = box.scrollTop;
    }
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'End' || (event.key === 'f' && !event.ctrlKey && !event.metaKey)) go();
    else if (['PageUp', 'ArrowUp', 'Home'].includes(event.key)) pause();
  };

  const rows = [];
  for (let at = range.value.from; at < Math.min(lines.length, range.value.to); at += 1) {
    const line = lines[at];
    const key = keyOf(line);
    const onOpen = () => (opened.value = new Set([...opened.value, key]));
    rows.push(html`<${Row} key=${key} line=${line} number=${numberOf(line)} top=${at * ROW}
      marked=${marked.value === key} open=${opened.value.has(key)} onOpen=${onOpen} />`);
  }
  const refused = source.joined.value ? {} : { both: S.bothTooLarge };
  return html`<div class="log card">
    <header>
      <${Segments} label=${S.output} value=${only} refused=${refused} onChange=${onStream}
        options=${{ both: S.both, stdout: 'stdout', stderr: 'stderr' }} />
      <${Button} kind="small bare first-error" shortcut="e" onClick=${toError}>${S.firstError}<//>
      <span class="room"></span>
      ${['stdout', 'stderr'].map((name) => downloadLink(job, attempt, name))}
    </header>
    <${Trouble} error=${source.error.value} again=${() => source.again()} />
    <${Before} source=${source} stream=${only} lines=${shown.count} />
    <div class="log-view" ref=${view} tabindex="0" role="region" aria-label=${S.output} onScroll=${onScroll}
      onWheel=${(/** @type {WheelEvent} */ event) => event.deltaY < 0 && pause()} onKeyDown=${onKey}
      onPointerDown=${pauseIfLive} onTouchMove=${pause} data-lines=${shown.count}>
      ${lines.length
        ? html`<${Spacer} of=${only} source=${source} height=${lines.length * ROW} wide=${total >= WIDE}>${rows}<//>`
        : html`<p class="log-empty">${emptyText(state, job)}</p>`}
    </div>
    <footer>
      <${LogState} state=${state} job=${job} source=${source} lines=${shown.count} total=${total} only=${only}
        following=${following.value} onFollow=${go} onPause=${pause} held=${following.value ? 0 : Math.max(0, total - seen.value)} />
      <${Whole} job=${job} attempt=${attempt} />
    </footer>
  </div>`;
}

/** @param {import('./buffer.js').LogLine} line */
const keyOf = (line) => `${line.stream}${line.own}`;

/**
 * What is shown of a source: its lines; how many there are besides the headings, and with those that were dropped; how
 * many went in front (less those that were put there), by which a reader's place has to be moved; the number of each.
 * Where its beginning was not read, numbers count from the end, once that is known.
 * @param {import('./source.js').Source} source
 * @param {string} only
 */
function shownOf(source, only) {
  const lines = source.buffer.shown(only);
  const dropped = source.buffer.dropped(only);
  const count = lines.reduce((sum, line) => sum + (line.heading ? 0 : 1), 0);
  const total = count + dropped;
  const single = only !== 'both' || source.buffer.apart;
  const { state } = source;
  const numberOf = (/** @type {import('./buffer.js').LogLine} */ line) => {
    const at = single ? line.own : line.number;
    if (!lacksBeginning(source, only)) return String(at);
    return state.value === 'ended' ? `−${total - at + 1}` : '';
  };
  return { lines, count, total, front: dropped - source.prepended, numberOf };
}

/** @param {import('./source.js').Source} source @param {string} only */
function lacksBeginning(source, only) {
  const { stdout, stderr } = source.before.value;
  return (only === 'both' ? stdout + stderr : only === 'stderr' ? stderr : stdout) > 0;
}

/**
 * As high as all lines, and as wide as the longest that was drawn: what lies beside stays in view while one scrolls.
 * @param {{ of: string, source: import('./source.js').Source, height: number, wide: boolean, children?: any }} props
 */
function Spacer({ of, source, height, wide, children }) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    place.current?.style.setProperty('--height', `${height}px`);
  }, [height]);
  useLayoutEffect(() => void place.current?.style.removeProperty('--log-width'), [of, source]);
  useLayoutEffect(() => {
    const rows = place.current;
    if (rows && rows.scrollWidth > rows.clientWidth) rows.style.setProperty('--log-width', `${rows.scrollWidth}px`);
  });
  return html`<div ref=${place} class=${`log-rows ${wide ? 'wide' : ''}`}>${children}</div>`;
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
  if (state === 'failed') return S.notRead;
  if (state === 'reading' && job.attempt) return S.readingOutput;
  if (job.status === 'unknown') return S.noneHeard;
  return state === 'ended' ? S.noOutput : S.startsHere;
}

/** What lies before or after the lines that are shown. @param {{ source: import('./source.js').Source, stream: string, lines: number }} props */
function Before({ source, stream, lines }) {
  void source.changes.value;
  const { stdout, stderr } = source.before.value;
  const bytes = stream === 'both' ? stdout + stderr : stream === 'stderr' ? stderr : stdout;
  const dropped = source.buffer.dropped(stream);
  const after = source.after.value;
  if (!bytes && !dropped && !after) return null;
  const readable = stream !== 'both' && source.state.value === 'ended';
  const text = after
    ? S.beginning(S.plural(lines, 'line'), size(after))
    : dropped ? S.dropped(S.plural(dropped, 'line')) : S.earlier(size(bytes));
  return html`<div class="log-before">
    <span>${text}</span>
    ${readable && bytes && !dropped ? html`<${Button} kind="small" onClick=${() => source.earlier(stream)}>${S.loadEarlier}<//>` : null}
    ${readable && !after ? html`<${Button} kind="small" onClick=${() => source.head(stream)}>${S.showBeginning}<//>` : null}
    ${readable && after ? html`<${Button} kind="small" onClick=${() => source.read(stream)}>${S.showEnd}<//>` : null}
  </div>`;
}

/**
 * @param {{ state: string, job: import('../types/api.js').JobView, source: import('./source.js').Source, lines: number,
 *   total: number, only: string, following: boolean, held: number, onFollow: () => void, onPause: () => void }} props
 */
function LogState({ state, job, source, lines, total, only, following, held, onFollow, onPause }) {
  if (!lines && (waits(job) || state === 'failed')) return null;
  if (state === 'ended' || state === 'failed') {
    const part = source.after.value ? S.firstLines(lines) : lacksBeginning(source, only) ? S.lastLines(lines) : S.plural(total, 'line');
    return html`<span class="log-state">${S.ended(part)}</span>
      ${following ? null : html`<button type="button" class="pill" onClick=${onFollow}>${S.toEnd}</button>`}`;
  }
  const live = job.status === 'unknown' ? S.silent : following ? S.following : S.paused;
  const word = state === 'cut' ? S.cutOff : state === 'reading' ? S.readingOutput : live;
  return html`<span class="log-state" role="status">${word}</span>
    ${total ? html`<span class="faint">${lacksBeginning(source, only) ? S.lastLines(total) : S.plural(total, 'line')}</span>` : null}
    ${following
      ? html`<${Button} kind="small" onClick=${onPause}>${S.pause}<//>`
      : html`<button type="button" class="pill" onClick=${onFollow}>${held ? S.newLines(held) : S.follow}</button>`}`;
}
