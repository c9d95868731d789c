import { useEffect, useLayoutEffect } from "react";
import type { Player } from "../player/Player";
import { frameOf, jobLink, parseRoute } from "../ui/useRoute";

/** The address changes only when the user rests: browsers limit how often it may. */
const REST_MS = 300;

/** Keep the address in step with the chosen frame, as in `#/jobs/ID?frame=120`, and go to the frame that a link names. */
export function useFrameLink(player: Player): void {
  useLayoutEffect(() => {
    const follow = () => {
      const asked = frameOf(location.hash);
      if (asked !== null && isOf(player.jobId)) player.seekIndex(asked);
    };
    follow();
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, [player]);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const write = () => {
      const { following, playing, index } = player.getState();
      const link = jobLink(player.jobId, following || playing || index < 0 ? null : index);
      if (isOf(player.jobId) && location.hash !== link) history.replaceState(history.state, "", link);
    };
    const leave = player.subscribe(() => {
      clearTimeout(timer);
      timer = setTimeout(write, REST_MS);
    });
    return () => {
      clearTimeout(timer);
      leave();
    };
  }, [player]);
}

function isOf(jobId: string): boolean {
  const route = parseRoute(location.hash);
  return route.view === "work" && route.jobId === jobId;
}
