// Who is logged in, and what that allows.
import { signal } from '../vendor/signals.js';
import { S } from '../strings.js';
import { ApiError, asApiError, call, loggedOut } from './api.js';

/** @typedef {import('../types/api.js').MeView} Me */

/** undefined: not known yet; null: nobody. @type {import('../vendor/signals.js').Signal<Me | null | undefined>} */
export const me = signal(undefined);

/** Why it could not be found out. @type {import('../vendor/signals.js').Signal<import('./api.js').ApiError | null>} */
export const trouble = signal(null);

const KEY = 'logged in';
const WHOSE = 'whose';

/** Whether this browser may have a session: so that the server is not asked in vain, which browsers report as an error. */
function mayBe() {
  try {
    return localStorage.getItem(KEY) !== null;
  } catch {
    return true;
  }
}

/** @param {boolean} isIn */
function note(isIn) {
  try {
    if (isIn) localStorage.setItem(KEY, String(Date.now()));
    else localStorage.removeItem(KEY);
  } catch {
    // Storage may be shut off; then the server is asked each time.
  }
}

/** What this tab keeps is for one user alone. @param {string} userId */
function keepFor(userId) {
  try {
    const before = sessionStorage.getItem(WHOSE);
    if (before !== null && before !== userId) sessionStorage.clear();
    sessionStorage.setItem(WHOSE, userId);
  } catch {
    // Storage may be shut off; then nothing is kept.
  }
}

/** Whoever was logged in is so no more: the page stays, also what is typed in it, until somebody logs in again. */
function over() {
  note(false);
  trouble.value = null;
  if (me.value) loggedOut.value = true;
  else me.value = null;
}

/** Begin to hear of logins and of their ends in other tabs of this browser. */
export function heedOtherTabs() {
  addEventListener('storage', ({ key, newValue }) => {
    if (key !== KEY) return;
    if (newValue) void whoAmI();
    else if (me.value) loggedOut.value = true;
  });
}

/** Ask who is logged in. Of another user's pages nothing stays, also not what was typed in them. */
export async function whoAmI() {
  if (!me.value && !mayBe()) {
    me.value = null;
    return;
  }
  await look();
}

/** Whether somebody is logged in; undefined: that could not be found out. */
async function look() {
  try {
    /** @type {Me} */
    const found = await call('GET', '/api/auth/me');
    keepFor(found.user.userId);
    if (me.value && me.value.user.userId !== found.user.userId) {
      location.reload();
      return true;
    }
    me.value = found;
    loggedOut.value = false;
    trouble.value = null;
    return true;
  } catch (fault) {
    const error = asApiError(fault);
    if (error.status === 401) {
      over();
      return false;
    }
    trouble.value = error;
    return undefined;
  }
}

/** Log in; raises ApiError. @param {string} email @param {string} password */
export async function logIn(email, password) {
  await call('POST', '/api/auth/login', { email, password });
  note(true);
  if ((await look()) === false) throw new ApiError(0, { code: 'not_kept', message: S.loginNotKept });
}

/** End this login, here and on the server, where it may have ended before. */
export async function logOut() {
  try {
    await call('POST', '/api/auth/logout');
  } catch (fault) {
    if (asApiError(fault).status !== 401) throw fault;
  }
  sessionStorage.clear();
  note(false);
  me.value = null;
  loggedOut.value = false;
}

/** Why this user may not do that, or '' who may. @param {'run jobs' | 'manage workers' | 'manage users'} permission */
export function mayNot(permission) {
  return me.value?.permissions.includes(permission) ? '' : permission;
}
