// A field of a form: label, hint and fault belong together, for eyes and for readers.
import { html } from '../html.js';
import { useEffect, useId, useRef } from '../vendor/hooks.js';
import { S } from '../strings.js';

/**
 * @param {{ label: string, value: string, onInput: (value: string) => void, hint?: string, error?: string, lines?: number,
 *   type?: string, mono?: boolean, optional?: boolean, autofocus?: boolean, autocomplete?: string, after?: any,
 *   options?: Record<string, string>, name?: string, placeholder?: string, number?: boolean }} props `number`: phones
 *   offer digits; what is typed is kept as it is, where a field of the type `number` gives '' for what it cannot read
 */
export function Field(props) {
  const { label, value, onInput, hint = '', error = '', lines = 0, type = 'text', mono = false, after } = props;
  const id = useId();
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (props.autofocus) place.current?.focus();
  }, []);
  const about = `${hint ? `${id}-hint` : ''} ${error ? `${id}-error` : ''}`.trim();
  const shared = {
    id,
    ref: place,
    class: `control ${mono ? 'mono' : ''}`,
    name: props.name ?? null,
    'aria-describedby': about || null,
    'aria-invalid': error ? 'true' : null,
    onInput: (/** @type {{ currentTarget: HTMLInputElement }} */ event) => onInput(event.currentTarget.value),
  };
  return html`<div class="field">
    <label for=${id}>${label}${props.optional ? html`<span class="faint"> · ${S.optional}</span>` : null}</label>
    <div class="field-row">${control(props, shared, { value, lines, type })}${after ?? null}</div>
    ${hint ? html`<p class="hint" id=${`${id}-hint`}>${hint}</p>` : null}
    ${error ? html`<p class="fault" id=${`${id}-error`}>${error}</p>` : null}
  </div>`;
}

/** @param {any} props @param {any} shared @param {{ value: string, lines: number, type: string }} how */
function control(props, shared, { value, lines, type }) {
  if (props.options) {
    return html`<select ...${shared} value=${value}>
      ${Object.entries(props.options).map(
        ([key, word]) => html`<option value=${key} key=${key} selected=${key === value}>${word}</option>`,
      )}
    </select>`;
  }
  if (lines) {
    return html`<textarea ...${shared} rows=${lines} value=${value} spellcheck=${false}
      autocapitalize="off" placeholder=${props.placeholder ?? null}></textarea>`;
  }
  return html`<input ...${shared} type=${type} inputmode=${props.number ? 'decimal' : null} value=${value} spellcheck=${false} autocapitalize="off"
    autocomplete=${props.autocomplete ?? 'off'} placeholder=${props.placeholder ?? null} />`;
}

/**
 * One of a few, side by side.
 * @param {{ label: string, value: string, options: Record<string, string>, onChange: (value: string) => void,
 *   refused?: Record<string, string> }} props
 */
export function Segments({ label, value, options, onChange, refused = {} }) {
  return html`<div class="segments" role="group" aria-label=${label}>
    ${Object.entries(options).map(
      ([key, word]) => html`<button type="button" key=${key} aria-pressed=${String(key === value)}
        aria-disabled=${refused[key] ? 'true' : null} title=${refused[key] ?? null}
        onClick=${() => !refused[key] && onChange(key)}>${word}</button>`,
    )}
  </div>`;
}
