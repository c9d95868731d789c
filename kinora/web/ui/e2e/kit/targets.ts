/** Measures what can be pressed on a page. */
import type { Page } from "playwright-core";

const PRESSABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=tab], [role=slider]";
/** A rounding of the layout. */
const SLACK = 0.6;

/** The visible things to press that are smaller than `least` pixels in either direction, with their sizes. */
export function smallTargets(page: Page, least: number): Promise<string[]> {
  return page.evaluate(
    ({ pressable, enough }) => {
      /** What a finger meets: a field's label counts as the field. */
      const areaOf = (element: Element) => {
        const boxes = [element, element.closest("label"), ...((element as HTMLInputElement).labels ?? [])].filter((part) => part !== null);
        return boxes.map((part) => part.getBoundingClientRect()).reduce((a, b) => (a.width * a.height >= b.width * b.height ? a : b));
      };
      const small: string[] = [];
      for (const element of document.querySelectorAll(pressable)) {
        if (!element.checkVisibility({ visibilityProperty: true }) || element.closest("[inert], .visually-hidden, .skip")) continue;
        const { width, height } = areaOf(element);
        if (width >= enough && height >= enough) continue;
        const name = element.getAttribute("aria-label") ?? (element.textContent.trim() || element.outerHTML.slice(0, 80));
        small.push(`${element.tagName.toLowerCase()} ${name.slice(0, 60)}: ${width.toFixed(0)} × ${height.toFixed(0)}`);
      }
      return [...new Set(small)];
    },
    { pressable: PRESSABLE, enough: least - SLACK },
  );
}

/** How many pixels the page is wider than its window; 0 if it does not scroll sideways. */
export function overhang(page: Page): Promise<number> {
  return page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - window.innerWidth));
}

/** How many pixels the main page is longer than a wide window, in which only its columns scroll. */
export function overlength(page: Page): Promise<number> {
  return page.evaluate(() => (document.querySelector(".workspace") ? document.documentElement.scrollHeight - window.innerHeight : 0));
}

/** The panels over the page, such as menus and dialogs, that are not wholly between its left and its right edge. */
export function panelsBeyond(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll("dialog[open], .menu-panel, .filter-panel, .undo-bar, .connection")]
      .filter((panel) => panel.checkVisibility())
      .map((panel) => ({ panel, box: panel.getBoundingClientRect() }))
      .filter(({ box: { left, right } }) => left < 0 || right > window.innerWidth)
      .map(({ panel, box: { left, right } }) => `${panel.className}: ${left.toFixed(0)} to ${right.toFixed(0)}`),
  );
}
