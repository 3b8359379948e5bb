// Where somebody who is not logged in comes first.
import { html } from '../html.js';
import { useEffect } from '../vendor/hooks.js';
import { me, trouble, whoAmI } from '../data/session.js';
import { go, place, safeNext } from '../router.js';
import { S } from '../strings.js';
import { Trouble } from '../parts/basics.js';
import { Icon } from '../parts/icons.js';
import { LoginForm } from '../parts/login.js';

export function LoginPage() {
  const next = safeNext(place.value.query.get('next'));
  useEffect(() => {
    document.title = `${S.logIn} · ${S.product}`;
    if (me.value) go(next, { replace: true });
  }, [me.value]);
  return html`<main class="login">
    <div class="login-card">
      <h1><${Icon} sign="brand" /> ${S.product}</h1>
      <p class="quiet">${location.host}</p>
      <${Trouble} error=${trouble.value} again=${whoAmI} />
      <${LoginForm} onDone=${() => go(next, { replace: true })} />
      <p class="faint hint">${S.firstStart}</p>
    </div>
  </main>`;
}
