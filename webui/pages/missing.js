// The page for an address that has none.
import { html } from '../html.js';
import { useEffect } from '../vendor/hooks.js';
import { S } from '../strings.js';

export function MissingPage() {
  useEffect(() => {
    document.title = `${S.missingTitle} · ${S.product}`;
  }, []);
  return html`<div class="page">
    <div class="empty">
      <h1>${S.missingTitle}</h1>
      <p>${S.missing}</p>
      <a class="button" href="/jobs">${S.allJobs}</a>
    </div>
  </div>`;
}
