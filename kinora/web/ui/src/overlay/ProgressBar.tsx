interface ProgressBarProps {
  /** In per cent; a value outside 0 to 100 is shown as the nearer of the two. */
  progress: number;
  /** False if the total is unknown. */
  known?: boolean;
  /** The text beside the bar. */
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
