interface ProgressBarProps {
  /** In per cent; a value outside 0 to 100 is shown as the nearer of the two. */
  progress: number;
  /** The text beside the bar. */
  label?: string;
}

export function ProgressBar({ progress, label }: ProgressBarProps) {
  const value = Math.round(Math.min(100, Math.max(0, Number.isFinite(progress) ? progress : 0)));
  return (
    <div id="progress-bar" className="progress" role="progressbar" aria-label="Progress of the job"
      aria-valuemin={0} aria-valuemax={100} aria-valuenow={value} aria-valuetext={label ?? `${value}%`}>
      <div className="progress-fill" style={{ inlineSize: `${value}%` }} />
    </div>
  );
}
