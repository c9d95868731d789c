/** Schedules calls for animation frames, at least `pauseMs` apart; a hidden tab has none, and calls twice a second. */
const HIDDEN_MS = 500;

export function paintScheduler(paint: () => void, pauseMs = 0): { request: () => void; cancel: () => void } {
  let cancelPending: (() => void) | null = null;
  let paintedAt = -Infinity;
  const run = () => {
    cancelPending = null;
    paintedAt = performance.now();
    paint();
  };
  return {
    request() {
      if (cancelPending) return;
      const wait = document.hidden ? HIDDEN_MS : paintedAt + pauseMs - performance.now();
      if (wait > 0) {
        const timer = setTimeout(run, wait);
        cancelPending = () => clearTimeout(timer);
      } else {
        const frame = requestAnimationFrame(run);
        // A tab that is hidden meanwhile gets this frame when it is shown again, which is early enough.
        cancelPending = () => cancelAnimationFrame(frame);
      }
    },
    cancel() {
      cancelPending?.();
      cancelPending = null;
    },
  };
}
