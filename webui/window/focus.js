// Where the focus is while a part lies over the rest, which is inert then; it goes back to where it was.
import { useEffect, useRef, useState } from '../vendor/hooks.js';

/**
 * The part takes the focus when it comes.
 * @returns {{ current: HTMLElement | null }} for the `ref` of it
 */
export function useFocus() {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const [before] = useState(() => document.activeElement);
  useEffect(() => {
    place.current?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return place;
}
