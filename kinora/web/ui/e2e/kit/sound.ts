/** Expects a page to be fit for everybody: for screen readers, small screens and fingers. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults, RunOptions } from "axe-core";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { overhang, overlength, panelsBeyond, smallTargets } from "./targets";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1440, height: 900 };
const HUGE = { width: 3840, height: 2160 };
export const PHONE = { width: 390, height: 844 };
const NARROW = { width: 360, height: 740 };
/** The least size of what a finger presses, in pixels. */
const FINGER = 40;

async function violations(page: Page): Promise<string[]> {
  const results = await page.evaluate(() =>
    (window as unknown as { axe: { run: (options: RunOptions) => Promise<AxeResults> } }).axe.run({ resultTypes: ["violations"] }),
  );
  return results.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`);
}

/** Expect a page without faults for axe, light and dark, wide and on a phone; there it fits the screen, and all that is pressed a finger. */
export async function expectSound(page: Page): Promise<void> {
  await page.evaluate(AXE);
  for (const size of [WIDE, PHONE]) {
    await page.setViewportSize(size);
    if (size === WIDE) expect(await overlength(page)).toBe(0);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await violations(page), `${size.width} px, ${colorScheme}`).toEqual([]);
    }
  }
  expect(await smallTargets(page, FINGER)).toEqual([]);
  for (const size of [PHONE, NARROW, HUGE]) {
    await page.setViewportSize(size);
    expect(await overhang(page), `${size.width} px`).toBe(0);
    expect(await panelsBeyond(page), `${size.width} px`).toEqual([]);
  }
}
