// Which keys there are, and a switch that turns the single letters off (WCAG 2.2, 2.1.4).
import { html } from '../html.js';
import { useEffect, useRef } from '../vendor/hooks.js';
import { keysAsked, letters, setLetters } from '../keys.js';
import { S } from '../strings.js';
import { Button } from './basics.js';

export function Keys() {
  return keysAsked.value ? html`<${Page} />` : null;
}

function Page() {
  const place = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const close = () => (keysAsked.value = false);
  useEffect(() => {
    const before = document.activeElement;
    place.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return html`<dialog ref=${place} class="keys" aria-label=${S.keys} onClose=${close}>
    <h2>${S.keys}</h2>
    <dl>${S.keyList.map(([keys, what]) => html`<dt key=${keys}>${keys.split(' ').map((one) => html`<kbd>${one}</kbd> `)}</dt><dd>${what}</dd>`)}</dl>
    <label class="tick"><input type="checkbox" checked=${letters.value}
      onChange=${(/** @type {any} */ event) => setLetters(event.currentTarget.checked)} />${S.lettersOn}</label>
    <div class="acts"><${Button} onClick=${() => place.current?.close()}>${S.close}<//></div>
  </dialog>`;
}
