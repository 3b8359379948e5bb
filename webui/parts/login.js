// The form to log in with: a page of its own, or a dialog over the page that a login ran out on.
import { html } from '../html.js';
import { useState } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { asApiError } from '../data/api.js';
import { logIn } from '../data/session.js';
import { S } from '../strings.js';
import { Button, Trouble } from './basics.js';
import { Field } from './field.js';

/** @param {{ email?: string, onDone: () => void }} props */
export function LoginForm({ email: known = '', onDone }) {
  const email = useSignal(known);
  const password = useSignal('');
  const [shown, setShown] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {import('../data/api.js').ApiError | null} */ (null));
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    try {
      await logIn(email.value.trim(), password.value);
      onDone();
    } catch (fault) {
      setError(asApiError(fault));
      setBusy(false);
    }
  };
  const show = html`<${Button} kind="bare" pressed=${shown} onClick=${() => setShown(!shown)}>
    ${shown ? S.hide : S.show}
  <//>`;
  return html`<form class="login-form" onSubmit=${send}>
    <${Field} label=${S.email} name="email" type="email" autocomplete="username" autofocus=${!known} value=${email.value}
      onInput=${(/** @type {string} */ value) => (email.value = value)} />
    <${Field} label=${S.password} name="password" type=${shown ? 'text' : 'password'} autocomplete="current-password"
      autofocus=${Boolean(known)} value=${password.value} after=${show}
      onInput=${(/** @type {string} */ value) => (password.value = value)} />
    <${Trouble} error=${error} />
    <${Button} type="submit" kind="primary" busy=${busy}>${S.logIn}<//>
  </form>`;
}
