/** At most one call per animation frame, `pauseMs` apart; in a hidden tab, which has no frames, a few times a second. */
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
        // A tab that is hidden meanwhile gets no frame until it is shown again, and then has nothing to catch up on.
        cancelPending = () => cancelAnimationFrame(frame);
      }
    },
    cancel() {
      cancelPending?.();
      cancelPending = null;
    },
  };
}
