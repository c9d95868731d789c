import { useLayoutEffect, useRef, useState, type RefObject } from "react";

interface VirtualRowsProps {
  count: number;
  /** The height of each row, in rem. */
  rowRem: number;
  /** The height of what stays above the rows while they scroll, in rem. */
  headRem?: number;
  /** The row to keep in view; null for none. */
  current: number | null;
  /** True if the current row moves by itself: it is then kept in view only until the user scrolls away from it. */
  moving: boolean;
  /** Called when the last row comes into view. */
  onEnd?: (() => void) | undefined;
}

interface VirtualRows {
  box: RefObject<HTMLDivElement | null>;
  /** Height of a row, in pixels. */
  rowHeight: number;
  /** The rows to render: those in view and a few around them. */
  rows: number[];
  /** More than ever are rendered at once: `row % slots`, as a row's key, has elements used again for the rows that follow. */
  slots: number;
  onScroll: () => void;
}

const BEYOND = 3; // rows above and below the visible ones

/** The rows in view of a box that scrolls over any number of rows of one height. */
export function useVirtualRows({ count, rowRem, headRem = 0, current, moving, onEnd }: VirtualRowsProps): VirtualRows {
  const box = useRef<HTMLDivElement>(null);
  const away = useRef(false);
  const [view, setView] = useState({ top: 0, height: 600 });
  const rowHeight = rowRem * remPx();
  const head = headRem * remPx();

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => setView({ top: element.scrollTop, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element || current === null || current < 0 || (moving && away.current)) return;
    const top = current * rowHeight;
    if (isInView(element, top, rowHeight, head)) return;
    // In the middle, with a whole row at the top.
    element.scrollTop = top - Math.floor((element.clientHeight - head) / 2 / rowHeight) * rowHeight;
  }, [current, moving, rowHeight, head]);

  const onScroll = () => {
    const element = box.current;
    if (!element) return;
    setView({ top: element.scrollTop, height: element.clientHeight });
    away.current = current !== null && !isInView(element, current * rowHeight, rowHeight, head);
    if (element.scrollTop + element.clientHeight >= head + count * rowHeight - rowHeight) onEnd?.();
  };

  const first = Math.max(0, Math.floor(view.top / rowHeight) - BEYOND);
  const last = Math.min(count, Math.ceil((view.top + view.height) / rowHeight) + BEYOND);
  const slots = Math.ceil(view.height / rowHeight) + 2 * BEYOND + 2;
  return { box, rowHeight, slots, rows: Array.from({ length: Math.max(0, last - first) }, (_, offset) => first + offset), onScroll };
}

/** True if the whole row is visible, within a pixel, as browsers round scroll positions. */
function isInView({ scrollTop, clientHeight }: Element, top: number, rowHeight: number, head: number): boolean {
  return top >= scrollTop - 1 && head + top + rowHeight <= scrollTop + clientHeight + 1;
}

function remPx(): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
}
