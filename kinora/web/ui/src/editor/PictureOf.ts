import { createContext } from "react";
import type { PictureSource } from "./picture";

/** Gives the picture to draw on when it is wanted, or a sentence that says why there is none yet. */
export const PictureOf = createContext<() => PictureSource | string>(() => "Choose a source first.");
