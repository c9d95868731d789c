/** Finds places for labels at their boxes so that no label covers another. */
export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The place of each label outside of what is `covered`; null for one that has no free place. Earlier labels choose first. */
export function placeLabels(labels: readonly { box: Rect; width: number; height: number }[], bounds: Rect, covered: readonly Rect[] = []): (Rect | null)[] {
  const taken = [...covered];
  return labels.map(({ box, width, height }) => {
    const free = spots(box, width, height).map((spot) => within({ ...spot, width, height }, bounds));
    const found = free.find((spot) => !taken.some((other) => overlap(spot, other))) ?? null;
    if (found) taken.push(found);
    return found;
  });
}

/** Above the box, below, inside at its top and bottom, aligned left and right; then beside it. */
function spots({ x, y, width, height }: Rect, labelWidth: number, labelHeight: number): { x: number; y: number }[] {
  const right = x + width - labelWidth + 1;
  const rows = [y - labelHeight - 1, y + height + 1, y + 1, y + height - labelHeight - 1];
  const lines = rows.flatMap((row) => [{ x: x - 1, y: row }, { x: right, y: row }]);
  return [...lines, { x: x + width + 1, y }, { x: x - labelWidth - 1, y }];
}

function within(spot: Rect, bounds: Rect): Rect {
  const x = Math.max(bounds.x, Math.min(spot.x, bounds.x + bounds.width - spot.width));
  const y = Math.max(bounds.y, Math.min(spot.y, bounds.y + bounds.height - spot.height));
  return { ...spot, x, y };
}

export function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
