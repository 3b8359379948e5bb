// The join tokens that are good: asked for now and then while one looks, since each lets a worker in.
import { html } from '../html.js';
import { useEffect } from '../vendor/hooks.js';
import { useSignal } from '../vendor/signals.js';
import { asApiError, call } from '../data/api.js';
import { S } from '../strings.js';
import { Button, Time, Trouble } from './basics.js';

/** @typedef {import('../types/api.js').JoinTokenView} JoinToken */

const LOOK_MS = 2000;

/** All of them as they were last heard of, and how to ask anew; none who may not ask. @param {boolean} mayAsk */
export function useTokens(mayAsk) {
  const tokens = useSignal(/** @type {JoinToken[]} */ ([]));
  const look = async () => {
    if (document.hidden || !mayAsk) return;
    try {
      /** @type {import('../types/api.js').JoinTokensView} */
      const { joinTokens } = await call('GET', '/api/join-tokens');
      tokens.value = joinTokens;
    } catch {
      // The bar says that the server is away; this goes on when it is back.
    }
  };
  useEffect(() => {
    void look();
    const timer = setInterval(() => {
      if (tokens.peek().some((one) => one.state === 'good')) void look();
    }, LOOK_MS);
    return () => clearInterval(timer);
  }, [mayAsk]);
  return { tokens: tokens.value, look };
}

/** A button that makes a token worth nothing. @param {{ id: string, look: () => Promise<void> }} props */
export function Revoke({ id, look }) {
  const error = useSignal(/** @type {import('../data/api.js').ApiError | null} */ (null));
  const revoke = async () => {
    try {
      await call('DELETE', `/api/join-tokens/${encodeURIComponent(id)}`);
      error.value = null;
      await look();
    } catch (fault) {
      error.value = asApiError(fault);
    }
  };
  return html`<${Button} kind="small bare" onClick=${revoke}>${S.revokeToken}<//><${Trouble} error=${error.value} />`;
}

/** Those that were made before and let workers in still. @param {{ tokens: JoinToken[], look: () => Promise<void> }} props */
export function GoodTokens({ tokens, look }) {
  if (!tokens.length) return null;
  return html`<fieldset>
    <legend>${S.goodTokens}</legend>
    <ul class="joiners">
      ${tokens.map(
        (one) => html`<li key=${one.joinTokenId}>
          <span>${S.tokenFor(one.uses - one.used)} <${Time} at=${one.createdAt} /></span>
          <${Revoke} id=${one.joinTokenId} look=${look} />
        </li>`,
      )}
    </ul>
  </fieldset>`;
}
