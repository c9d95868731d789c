/** The least work that shows pictures on a page: decode and draw each, and nothing else. */
import type { Page } from "playwright-core";

interface Show {
  /** The address of a JPEG that the page may fetch. */
  picture: string;
  perSecond: number;
  /** The size of the canvas, in CSS pixels. */
  width: number;
  height: number;
}

/** Replace the page's contents with such a canvas, for as long as the page is open. */
export function showPictures(page: Page, show: Show): Promise<void> {
  return page.evaluate(async ({ picture, perSecond, width, height }) => {
    document.body.innerHTML = `<canvas width="${width}" height="${height}"></canvas>`;
    const context = document.querySelector("canvas")?.getContext("2d");
    const jpeg = await (await fetch(picture)).blob();
    const show = async () => {
      const bitmap = await createImageBitmap(jpeg);
      requestAnimationFrame(() => {
        context?.clearRect(0, 0, width, height);
        context?.drawImage(bitmap, 0, 0, width, height);
        bitmap.close();
      });
    };
    setInterval(() => void show(), 1000 / perSecond);
  }, show);
}
