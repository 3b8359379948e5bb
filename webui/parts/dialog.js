// Questions: the browser's own dialog, with the focus on the safe answer. Escape leaves, and the focus goes back.
import { html } from '../html.js';
import { useEffect, useId, useRef, useState } from '../vendor/hooks.js';
import { asApiError } from '../data/api.js';
import { Button, Toasts, Trouble, dialogs } from './basics.js';

/**
 * @param {{ title: string, children?: any, safe?: string, act: string, danger?: boolean, refused?: string,
 *   onAct: () => Promise<unknown>, onClose?: () => void }} props
 *   `safe`: the answer that changes nothing; without one the question has to be answered
 */
export function Dialog({ title, children, safe, act, danger = false, refused = '', onAct, onClose }) {
  const place = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {import('../data/api.js').ApiError | null} */ (null));
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    place.current?.showModal();
    dialogs.value = [...dialogs.value, id];
    return () => {
      dialogs.value = dialogs.value.filter((one) => one !== id);
      const back = before?.isConnected ? before : document.querySelector('main');
      if (back instanceof HTMLElement) back.focus({ preventScroll: true });
    };
  }, []);
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (busy || refused) return;
    setBusy(true);
    setError(null);
    try {
      await onAct();
      onClose?.();
    } catch (fault) {
      setError(asApiError(fault));
      setBusy(false);
    }
  };
  const cancel = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (safe) onClose?.();
  };
  const stay = () => {
    const dialog = place.current;
    if (dialog?.isConnected && !dialog.open) dialog.showModal();
  };
  return html`<dialog ref=${place} aria-labelledby=${id} onCancel=${cancel} onClose=${stay}>
    <form onSubmit=${send}>
      <div><h2 id=${id}>${title}</h2>${children}</div>
      <${Trouble} error=${error} />
      <div class="acts">
        ${safe ? html`<${Button} onClick=${onClose}>${safe}<//>` : null}
        <${Button} type="submit" kind=${danger ? 'danger' : 'primary'} busy=${busy} refused=${refused}>${act}<//>
      </div>
    </form>
    <${Toasts} over=${id} />
  </dialog>`;
}
