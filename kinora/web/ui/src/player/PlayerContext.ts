import { createContext, useContext, useSyncExternalStore } from "react";
import type { Player, PlayerState } from "./Player";

export const PlayerContext = createContext<Player | null>(null);

export function usePlayer(): Player {
  const player = useContext(PlayerContext);
  if (!player) throw new Error("This component must be inside the view of a watched job.");
  return player;
}

export function usePlayerState(player: Player): PlayerState {
  return useSyncExternalStore(player.subscribe, player.getState);
}
