import { useSyncExternalStore } from "react";

/** The screens on which things are pressed with a finger; touch.css has the same. */
const TOUCH = "(pointer: coarse), (max-width: 47.99rem)";

/** True if what can be pressed must fit a finger. */
export function useTouch(): boolean {
  return useSyncExternalStore(subscribe, isTouch);
}

const isTouch = () => matchMedia(TOUCH).matches;

function subscribe(listener: () => void): () => void {
  const query = matchMedia(TOUCH);
  query.addEventListener("change", listener);
  return () => query.removeEventListener("change", listener);
}
