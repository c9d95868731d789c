/** A probe in the page that measures it; it starts before the page's own scripts. */
import type { Browser, Page } from "playwright-core";
import { openPage } from "../kit/browser";

export interface Notes {
  /** The main thread's long tasks, in ms; browsers report none below 50. */
  longTasks: number[];
  /** The times from one animation frame to the next, in ms. */
  intervals: number[];
  pictures: number;
  /** The most times that one canvas was redrawn in a single animation frame. */
  mostPaints: number;
}

declare global {
  interface Window {
    probe: {
      /** The time at which the first picture was drawn, in ms since the navigation. */
      firstPicture: number | null;
      /** Return the measurements since the last call. */
      take: () => Notes;
    };
  }
}

/** The time for which a new window is busy with itself: Chromium's own buttons are a page too. */
const SETTLE_MS = 3000;

/** Go to `url` in a new window, with the probe in place. */
export async function openProbed(browser: Browser, url: string): Promise<Page> {
  const { page } = await openPage(browser, "about:blank");
  await page.addInitScript(install);
  await page.waitForTimeout(SETTLE_MS);
  await page.goto(url);
  return page;
}

export const takeNotes = (page: Page): Promise<Notes> => page.evaluate(() => window.probe.take());

function install(): void {
  const nothing = (): Notes => ({ longTasks: [], intervals: [], pictures: 0, mostPaints: 0 });
  let notes = nothing();
  let paints = new Map<object, number>();
  let last: number | null = null;

  const tasks = new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => notes.longTasks.push(duration)));
  tasks.observe({ type: "longtask", buffered: true });

  // Requested before the page's own callbacks of that frame, so it runs before them.
  const tick = (now: number) => {
    if (last !== null) notes.intervals.push(now - last);
    last = now;
    paints = new Map();
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);

  // The page clears a canvas each time it redraws it, and draws nothing but pictures with drawImage.
  onCall("clearRect", (context) => {
    const count = (paints.get(context) ?? 0) + 1;
    paints.set(context, count);
    notes.mostPaints = Math.max(notes.mostPaints, count);
  });
  onCall("drawImage", () => {
    window.probe.firstPicture ??= performance.now();
    notes.pictures += 1;
  });

  function onCall(name: "clearRect" | "drawImage", note: (context: object) => void): void {
    const methods: Record<typeof name, object> = CanvasRenderingContext2D.prototype;
    methods[name] = new Proxy(methods[name], {
      apply(draw, context: object, given) {
        note(context);
        Reflect.apply(draw as () => void, context, given);
      },
    });
  }

  window.probe = {
    firstPicture: null,
    take: () => {
      for (const { duration } of tasks.takeRecords()) notes.longTasks.push(duration);
      const taken = notes;
      notes = nothing();
      return taken;
    },
  };
}
