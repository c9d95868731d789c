/** At most one call per animation frame; in a hidden tab, where there are none, a few times a second. */
const HIDDEN_MS = 500;

export function paintScheduler(paint: () => void): { request: () => void; cancel: () => void } {
  let cancelPending: (() => void) | null = null;
  const run = () => {
    cancelPending = null;
    paint();
  };
  return {
    request() {
      if (cancelPending) return;
      if (document.hidden) {
        const timer = setTimeout(run, HIDDEN_MS);
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
