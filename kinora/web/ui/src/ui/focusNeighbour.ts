/** Before `element` goes: give the focus to a button of the one after or else before it, so that the keyboard keeps its place. */
export function focusNeighbour(element: Element | null): void {
  const neighbour = element?.nextElementSibling ?? element?.previousElementSibling;
  const buttons = neighbour?.querySelectorAll("button");
  const target = neighbour instanceof HTMLButtonElement ? neighbour : buttons?.[buttons.length - 1];
  target?.focus();
}
