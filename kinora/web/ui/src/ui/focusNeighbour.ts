/** Before `element` is removed, focus a button in the next element, or else the previous one, to keep the keyboard's place. */
export function focusNeighbour(element: Element | null): void {
  const neighbour = element?.nextElementSibling ?? element?.previousElementSibling;
  const buttons = neighbour?.querySelectorAll("button");
  const target = neighbour instanceof HTMLButtonElement ? neighbour : buttons?.[buttons.length - 1];
  target?.focus();
}
