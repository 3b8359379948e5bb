// Says whether what is shown is current.
import { html } from '../html.js';
import { link } from '../data/live.js';
import { S } from '../strings.js';
import { StatusIcon } from './icons.js';

/** Whether what is shown is current. */
export function Live() {
  if (link.value.state === 'live' || link.value.state === 'back') {
    return html`<span class="live" title=${S.liveTitle}><${StatusIcon} status="completed" />${S.live}</span>`;
  }
  return html`<span class="live"><${StatusIcon} status="queued" />${S.connecting}</span>`;
}
