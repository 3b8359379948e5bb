// What the pages use of Preact, for the type check. Written by hand: templates are text to the checker, so the library's
// own declarations, which are about JSX, would say nothing more.
export type Child = VNode | string | number | boolean | null | undefined | Child[] | { value: unknown };
export interface VNode {
  type: unknown;
  props: Record<string, unknown>;
  key: unknown;
}
export type Component<P = any> = (props: P) => Child;
export function h(type: string | Component, props: Record<string, unknown> | null, ...children: Child[]): VNode;
export function render(what: Child, into: Element): void;
export const Fragment: Component;
