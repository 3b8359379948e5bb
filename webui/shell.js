// The frame round every page: where one can go, whether the link to the server lives, and the page itself.
import { html } from './html.js';
import { useEffect, useState } from './vendor/hooks.js';
import { loggedOut } from './data/api.js';
import { link, stopLive, tryNow } from './data/live.js';
import { logOut, me, trouble, whoAmI } from './data/session.js';
import { keepWorkers } from './data/workers.js';
import { Button, Toasts, Trouble, toast } from './parts/basics.js';
import { Icon } from './parts/icons.js';
import { Keys } from './parts/keys.js';
import { LoginForm } from './parts/login.js';
import { AddWorkerPage } from './pages/add.js';
import { JobPage } from './pages/job.js';
import { JobsPage } from './pages/jobs.js';
import { LoginPage } from './pages/login.js';
import { MissingPage } from './pages/missing.js';
import { NewJobPage } from './pages/new.js';
import { WorkersPage } from './pages/workers.js';
import { keysAsked } from './keys.js';
import { go, place } from './router.js';
import { routeOf } from './routes.js';
import { S } from './strings.js';
import { clockOf, now } from './words/time.js';

const PAGES = /** @type {Record<string, (props: any) => any>} */ ({
  jobs: JobsPage,
  new: NewJobPage,
  job: JobPage,
  workers: WorkersPage,
  add: AddWorkerPage,
  missing: MissingPage,
});

/** What is drawn: by the address, and by who is logged in. */
export function App() {
  const { page, nav, part } = routeOf(place.value.path);
  const user = me.value;
  useEffect(() => {
    if (user === null && page !== 'login') {
      const here = place.value.path + location.search;
      go(here === '/' ? '/login' : `/login?next=${encodeURIComponent(here)}`, { replace: true });
    }
  }, [user, page]);
  const isOver = loggedOut.value;
  useEffect(() => {
    if (user && !isOver) tryNow();
  }, [isOver]);
  useEffect(() => {
    if (!user) {
      stopLive();
      return undefined;
    }
    return keepWorkers();
  }, [user?.user.userId]);
  if (page === 'login') return html`<${LoginPage} /><${Toasts} />`;
  if (user === undefined) {
    return trouble.value ? html`<main class="login"><${Trouble} error=${trouble.value} again=${whoAmI} /></main>` : null;
  }
  if (user === null) return null;
  return html`<div class="shell">
    <${Side} nav=${nav} />
    <main tabindex="-1"><${PAGES[page]} key=${`${page} ${part}`} id=${part} /></main>
    <${LinkBar} />
    <${Keys} />
    ${loggedOut.value ? html`<${SessionOver} />` : null}
    <${Toasts} />
  </div>`;
}

/** @param {{ nav: string }} props */
function Side({ nav }) {
  const to = (/** @type {string} */ path, /** @type {string} */ sign, /** @type {string} */ label) => html`<a
    class="to" href=${path} title=${label} aria-current=${nav === path ? 'page' : null}
  ><${Icon} sign=${sign} /><span class="label">${label}</span></a>`;
  return html`<nav class="side" aria-label=${S.mainNav}>
    <a class="brand" href="/jobs"><${Icon} sign="brand" /><span class="label">${S.product}</span></a>
    ${to('/jobs', 'jobs', S.jobs)} ${to('/jobs/new', 'add', S.newJob)} ${to('/workers', 'workers', S.workers)}
    <div class="foot">
      <p class="who cut" title=${me.value?.user.email}>${me.value?.user.email}</p>
      <p class="who">${me.value?.user.role} · v${me.value?.serverVersion}</p>
      <button type="button" class="to of-keys" title=${S.keys} onClick=${() => (keysAsked.value = true)}>
        <${Icon} sign="keys" /><span class="label">${S.keys}</span>
      </button>
      <${ThemeButton} />
      <button type="button" class="to" title=${S.logOut} onClick=${leave}>
        <${Icon} sign="out" /><span class="label">${S.logOut}</span>
      </button>
    </div>
  </nav>`;
}

async function leave() {
  stopLive();
  try {
    await logOut();
  } catch (fault) {
    tryNow();
    toast(/** @type {Error} */ (fault).message);
  }
}

const THEMES = /** @type {const} */ (['system', 'light', 'dark']);

function ThemeButton() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? 'system');
  const word = S.themes[/** @type {'system'} */ (theme)];
  const turn = () => {
    const next = THEMES[(THEMES.findIndex((one) => one === theme) + 1) % THEMES.length];
    setTheme(next);
    if (next === 'system') {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem('theme');
    } else {
      document.documentElement.dataset.theme = next;
      localStorage.setItem('theme', next);
    }
  };
  return html`<button type="button" class="to theme" title=${S.theme(word)} aria-label=${S.theme(word)} onClick=${turn}>
    <${Icon} sign="theme" /><span class="label">${S.themeShort}<span class="choice">: ${word}</span></span>
  </button>`;
}

/** Laid over the top edge while the link is lost, and a moment after; nothing shifts. */
function LinkBar() {
  const { state, at, next } = link.value;
  if (state === 'back') return html`<div class="link-bar" role="status">${S.back}</div>`;
  if (state !== 'lost') return null;
  void now.value;
  const left = Math.max(0, Math.ceil((next - Date.now()) / 1000));
  return html`<div class="link-bar">
    <p><span role="alert">${S.lost(clockOf(at))}</span> <span aria-hidden="true">${S.nextTry(left)}</span></p>
    <${Button} onClick=${tryNow}>${S.tryNow}<//>
  </div>`;
}

/** Over the page, which stays: also what is typed in it. It comes back where a browser lets a second Escape close it. */
function SessionOver() {
  const open = (/** @type {HTMLDialogElement | null} */ dialog) => {
    if (dialog?.isConnected && !dialog.open) dialog.showModal();
  };
  const stay = (/** @type {Event} */ event) => event.preventDefault();
  const reopen = (/** @type {{ currentTarget: HTMLDialogElement }} */ { currentTarget: dialog }) => {
    open(dialog);
    /** @type {HTMLElement | null} */ (dialog.querySelector('[name="password"]'))?.focus();
  };
  return html`<dialog ref=${open} aria-label=${S.logIn} onCancel=${stay} onClose=${reopen}>
    <h2>${S.sessionOver}</h2>
    <${LoginForm} email=${me.value?.user.email} onDone=${() => {}} />
  </dialog>`;
}
