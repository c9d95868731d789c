import { usePlayer, usePlayerState } from "../player/PlayerContext";

export const SPEEDS: readonly number[] = [0.25, 0.5, 1, 2, 4, 8, 16];

/** How fast the player plays. */
export function SpeedChoice() {
  const player = usePlayer();
  const { speed } = usePlayerState(player);
  return (
    <select className="speed" aria-label="Speed" title="Speed (< and >)" value={speed} onChange={(event) => player.setSpeed(Number(event.target.value))}>
      {speed < 0 && <option value={speed}>−{-speed}×</option>}
      {SPEEDS.map((each) => <option key={each} value={each}>{each}×</option>)}
    </select>
  );
}
