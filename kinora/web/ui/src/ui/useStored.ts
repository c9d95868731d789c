import { useState } from "react";

const PREFIX = "kinora.";

/** The value stored under `name`; `fallback` if there is none or it is not valid. */
export function readStored<T>(name: string, fallback: T, isValid: (value: unknown) => value is T): T {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(PREFIX + name) ?? "null");
    return isValid(value) ? value : fallback;
  } catch {
    return fallback;
  }
}

export function writeStored(name: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // The browser stores nothing for this page, so the value is not remembered.
  }
}

/** State that is remembered in this browser. */
export function useStored<T>(name: string, fallback: T, isValid: (value: unknown) => value is T): [T, (value: T) => void] {
  const [value, setValue] = useState(() => readStored(name, fallback, isValid));
  return [
    value,
    (next) => {
      setValue(next);
      writeStored(name, next);
    },
  ];
}

export const isString = (value: unknown): value is string => typeof value === "string";
export const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
export const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
