interface ProgressBarProps {
  /** Per cent; what lies outside 0 to 100 is taken for the nearer of both. */
  progress: number;
  /** Whether it is known how much there is to do. */
  known?: boolean;
  /** What it says beside the bar. */
  label?: string;
}

export function ProgressBar({ progress, known = true, label }: ProgressBarProps) {
  const value = Math.round(Math.min(100, Math.max(0, Number.isFinite(progress) ? progress : 0)));
  return (
    <div id="progress-bar" className={known ? "progress" : "progress unknown"} role="progressbar" aria-label="Progress of the job"
      aria-valuemin={0} aria-valuemax={100} {...(known && { "aria-valuenow": value })}
      aria-valuetext={label ?? (known ? `${value}%` : "length unknown")}>
      <div className="progress-fill" style={{ inlineSize: known ? `${value}%` : "30%" }} />
    </div>
  );
}
