import { useLayoutEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";

interface VirtualListProps {
  label: string;
  count: number;
  /** The height of each row, in rem. */
  rowRem: number;
  renderRow: (index: number) => ReactNode;
  /** Called when the last row comes into view. */
  onEnd?: () => void;
  /** The row to keep in view. */
  current?: number | null;
  /** True if the current row moves by itself: it is then kept in view only until the user scrolls away from it. */
  moving?: boolean;
  /** Called when an arrow key moves the choice by this many rows; without it, the arrow keys scroll. */
  onStep?: (rows: number) => void;
}

const BEYOND = 6; // rows above and below the visible ones

/** A list of any length, which renders only the visible rows and a few around them. */
export function VirtualList({ label, count, rowRem, renderRow, onEnd, current = null, moving = false, onStep }: VirtualListProps) {
  const box = useRef<HTMLDivElement>(null);
  const away = useRef(false);
  const [view, setView] = useState({ top: 0, height: 600 });
  const rowHeight = rowRem * remPx();

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
    if (!isInView(element, top, rowHeight)) element.scrollTop = top - element.clientHeight / 2;
  }, [current, moving, rowHeight]);

  const first = Math.max(0, Math.floor(view.top / rowHeight) - BEYOND);
  const last = Math.min(count, Math.ceil((view.top + view.height) / rowHeight) + BEYOND);
  const onScroll = () => {
    const element = box.current;
    if (!element) return;
    setView({ top: element.scrollTop, height: element.clientHeight });
    away.current = current !== null && !isInView(element, current * rowHeight, rowHeight);
    if (element.scrollTop + element.clientHeight >= count * rowHeight - rowHeight) onEnd?.();
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const rows = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (rows === undefined || !onStep) return;
    event.preventDefault();
    onStep(rows);
  };

  return (
    // A region that scrolls must be reachable by keyboard, or the keyboard could not scroll it.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex, jsx-a11y/no-noninteractive-element-interactions
    <div className="virtual" ref={box} onScroll={onScroll} onKeyDown={onKeyDown} role="region" aria-label={label} tabIndex={0}>
      <ul style={{ height: count * rowHeight }}>
        {Array.from({ length: Math.max(0, last - first) }, (_, offset) => first + offset).map((index) => (
          <li key={index} style={{ top: index * rowHeight, height: rowHeight }} aria-setsize={count} aria-posinset={index + 1}>
            {renderRow(index)}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** True if the whole row is visible, within a pixel, as browsers round scroll positions. */
function isInView({ scrollTop, clientHeight }: Element, top: number, rowHeight: number): boolean {
  return top >= scrollTop - 1 && top + rowHeight <= scrollTop + clientHeight + 1;
}

function remPx(): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
}
