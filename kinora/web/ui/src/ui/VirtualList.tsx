import { type KeyboardEvent, type ReactNode } from "react";
import { useVirtualRows } from "./useVirtualRows";

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

/** A list of any length, which renders only the visible rows and a few around them. */
export function VirtualList({ label, count, rowRem, renderRow, onEnd, current = null, moving = false, onStep }: VirtualListProps) {
  const { box, rowHeight, rows, onScroll } = useVirtualRows({ count, rowRem, current, moving, onEnd });

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step === undefined || !onStep) return;
    event.preventDefault();
    onStep(step);
  };

  return (
    // A region that scrolls must be reachable by keyboard, or the keyboard could not scroll it.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex, jsx-a11y/no-noninteractive-element-interactions
    <div className="virtual" ref={box} onScroll={onScroll} onKeyDown={onKeyDown} role="region" aria-label={label} tabIndex={0}>
      <ul style={{ height: count * rowHeight }}>
        {rows.map((index) => (
          <li key={index} style={{ top: index * rowHeight, height: rowHeight }} aria-setsize={count} aria-posinset={index + 1}>
            {renderRow(index)}
          </li>
        ))}
      </ul>
    </div>
  );
}
