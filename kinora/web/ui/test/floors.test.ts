import { expect, test } from "vitest";

/** The folders of the page's sources from the top floor down; "." has the page itself. */
const FLOORS = [
  ["."],
  ["kit"],
  ["start", "watch", "wall", "plugins", "agents", "header"],
  ["access"],
  ["controls", "overlay", "camera", "editor"],
  ["jobs"],
  ["results", "inspector"],
  ["player"],
  ["draw"],
  ["realtime"],
  ["api"],
  ["ui"],
];

const SOURCES = import.meta.glob<string>("../src/**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true });
const folderOf = (path: string) => path.split("/").slice(0, -1).join("/") || ".";
const floorOf = (path: string) => FLOORS.findIndex((folders) => folders.includes(folderOf(path)));

/** The imports of each file among the page's files; names are without their extensions. */
const IMPORTS = new Map(Object.entries(SOURCES).map(([path, text]) => [nameOf(path), importsOf(nameOf(path), text)]));

function nameOf(path: string): string {
  return path.replace("../src/", "").replace(/\.tsx?$/, "");
}

function importsOf(file: string, text: string): string[] {
  const found = [...text.matchAll(/(?:from |import\()"(\.[^"]+)"/g)].map(([, path = ""]) => resolve(folderOf(file), path));
  return found.filter((path) => !path.endsWith(".css"));
}

function resolve(folder: string, path: string): string {
  return new URL(path, `http://page/${folder}/`).pathname.slice(1);
}

test("every folder has a floor", () => {
  expect([...IMPORTS.keys()].filter((file) => floorOf(file) < 0)).toEqual([]);
});

test("an import stays in its folder or goes down to a lower floor", () => {
  const wrong = [...IMPORTS].flatMap(([file, imported]) =>
    imported
      .filter((path) => folderOf(path) !== folderOf(file) && floorOf(path) <= floorOf(file))
      .map((path) => `${file} imports ${path}`),
  );
  expect(wrong).toEqual([]);
});

test("imports have no cycles", () => {
  const reached = (file: string, seen = new Set<string>()): Set<string> => {
    for (const next of IMPORTS.get(file) ?? []) if (!seen.has(next)) reached(next, seen.add(next));
    return seen;
  };
  expect([...IMPORTS.keys()].filter((file) => reached(file).has(file))).toEqual([]);
});
