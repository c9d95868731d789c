/** The page works under any path: no address in it begins at the root of its host. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const UI = resolve(import.meta.dirname, "..");
const SOURCES = readdirSync(join(UI, "src"), { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name) && !name.endsWith("generated.ts"));
/** A string that begins with a slash and a name, if it is not what `at` is given. */
const FROM_ROOT = /(?<!\bat\()(?<!endsWith\()(?:"|(?<![\w)\]`])`)\/(?:v1|docs|login|openapi|metrics|assets|favicon)\b[^"`\n]*/g;

test.each([...SOURCES.map((name) => join("src", name)), "index.html"])("%s", (name) => {
  const code = readFileSync(join(UI, name), "utf8").replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
  expect(code.match(FROM_ROOT) ?? []).toEqual([]);
});
