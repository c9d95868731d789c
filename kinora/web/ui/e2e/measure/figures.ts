/** Formats figures as text and as tables in Markdown. */

/** The value that `share` (0 to 1) of the values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** The median, with the smallest and largest value in brackets. */
export function spread(values: readonly number[], unit: string, digits = 0): string {
  const [median, least, most] = [percentile(values, 0.5), Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
  return `${median} ${unit} [${least} … ${most}]`;
}

export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  console.log(`\n${lines.join("\n")}\n`);
}
