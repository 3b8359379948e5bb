// What the pages use of the signals, for the type check.
import type { ReadonlySignal, Signal } from './signals-core.js';
export { batch, computed, effect, signal, untracked } from './signals-core.js';
export type { ReadonlySignal, Signal } from './signals-core.js';
export function useSignal<T>(value: T): Signal<T>;
export function useComputed<T>(compute: () => T): ReadonlySignal<T>;
export function useSignalEffect(effect: () => void | (() => void)): void;
