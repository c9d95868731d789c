import { expect, test } from "vitest";
import type { JsonObject } from "../src/api/generated";
import { shapeOptions, shapesIn, withShapes, type ShapeOption } from "../src/editor/shapeOptions";
import { begin, finish, insertPoint, isFull, moveCursor, movePoint, moveShape, nameFault, removePoint, removeShape, rename, setPoint, sketchOf, takeBack, turn, type Sketch } from "../src/editor/Sketch";

const POINTS = { type: "array", items: { type: "array", items: { type: "number" } } };
const SCHEMA: JsonObject = {
  properties: {
    zones: { type: "array", items: { type: "object", properties: { name: { type: "string", maxLength: 60, pattern: "^[^:]*$", description: "The name, without a colon." }, polygon: { ...POINTS, format: "polygon", maxItems: 4 } } }, maxItems: 2 },
    lines: { type: "array", items: { type: "object", properties: { name: { type: "string" }, line: { ...POINTS, format: "line" } } } },
    classes: { type: "array", items: { type: "string" } },
  },
};
const DOOR = { name: "door", polygon: [[0, 0], [10, 0], [10, 10]], colour: "red" };
const [ZONES, LINES] = shapeOptions(SCHEMA) as [ShapeOption, ShapeOption];
const sketch = (options: JsonObject = {}): Sketch => sketchOf(shapesIn(options, [ZONES, LINES]), { width: 100, height: 50 });
const pairs = (of: Sketch, at = 0) => of.shapes[at]?.points.map(({ x, y }) => [x, y]);

test("the options that hold polygons and lines are found by the formats in the schema", () => {
  expect(shapeOptions(SCHEMA)).toEqual([
    { name: "zones", kind: "polygon", noun: "zone", many: true, most: 2, mostPoints: 4, key: "polygon", named: true, longestName: 60, nameRule: { pattern: /^[^:]*$/u, words: "The name, without a colon." } },
    { name: "lines", kind: "line", noun: "line", many: true, key: "line", named: true },
  ]);
  const bare = { properties: { goal: { ...POINTS, format: "line" }, areas: { type: "array", items: { ...POINTS, format: "polygon" } } } };
  expect(shapeOptions(bare).map(({ name, kind, many, key }) => [name, kind, many, key])).toEqual([
    ["goal", "line", false, null],
    ["areas", "polygon", true, null],
  ]);
  expect(shapeOptions(null)).toEqual([]);
});

test("shapes are read from the options and written back, with all that a person added by hand", () => {
  const options = { zones: [DOOR], classes: ["person"] };
  const shapes = shapesIn(options, [ZONES, LINES]);
  expect(withShapes(options, [ZONES, LINES], shapes)).toEqual(options);
  expect(withShapes(options, [ZONES, LINES], [])).toEqual({ classes: ["person"] });
  for (const odd of [3, "x", [3], [{ name: "a" }], [{ polygon: [[1]] }], [{ polygon: "x" }], null]) {
    expect(shapesIn({ zones: odd }, [ZONES, LINES])).toEqual([]);
  }
  const [single] = shapeOptions({ properties: { goal: { ...POINTS, format: "line" } } }) as [ShapeOption];
  expect(withShapes({}, [single], shapesIn({ goal: [[1, 2], [3, 4]] }, [single]))).toEqual({ goal: [[1, 2], [3, 4]] });
});

test("a zone is drawn point by point in whole pixels of the picture, and gets a name of its own", () => {
  let drawn = begin(sketch({ zones: [{ ...DOOR, name: "zone 1" }] }), ZONES);
  drawn = setPoint(setPoint(drawn, { x: 10.4, y: 10 }), { x: 400, y: -3 });
  expect(finish(drawn), "two points are no zone").toBe(drawn);
  drawn = finish(setPoint(setPoint(takeBack(setPoint(drawn, { x: 1, y: 1 })), { x: 20, y: 40 }), { x: 20, y: 40 }));
  expect(pairs(drawn, 1)).toEqual([[10, 10], [99, 0], [20, 40]]);
  expect(drawn).toMatchObject({ chosen: 1, begun: null, shapes: [{ name: "zone 1" }, { name: "zone 2" }] });
});

test("a line is whole with its second point, and can be turned", () => {
  const cursor = moveCursor(begin(sketch(), LINES), { x: -10, y: 500 }).begun?.cursor;
  expect(cursor).toEqual({ x: 40, y: 49 });
  const drawn = setPoint(setPoint(begin(sketch(), LINES), { x: 1, y: 2 }), { x: 3, y: 4 });
  expect(drawn.begun).toBeNull();
  expect(pairs(turn(drawn, 0))).toEqual([[3, 4], [1, 2]]);
  expect(pairs(insertPoint(removePoint(drawn, 0, 0), 0, 0)), "it keeps its two points").toEqual([[1, 2], [3, 4]]);
});

test("points are moved, added and removed; a shape moves as far as the picture's edges", () => {
  const door = sketch({ zones: [DOOR] });
  expect(pairs(movePoint(door, 0, 1, { x: 30.6, y: 5 }))).toEqual([[0, 0], [31, 5], [10, 10]]);
  expect(pairs(insertPoint(door, 0, 2))).toEqual([[0, 0], [10, 0], [10, 10], [5, 5]]);
  expect(pairs(removePoint(insertPoint(door, 0, 0), 0, 0))).toEqual([[5, 0], [10, 0], [10, 10]]);
  expect(removePoint(door, 0, 0).shapes, "a zone keeps three").toEqual(door.shapes);
  expect(pairs(moveShape(door, 0, { x: 95, y: -4 }))).toEqual([[89, 0], [99, 0], [99, 10]]);
  expect(rename(door, 0, "gate").shapes[0]?.name).toBe("gate");
  expect(removeShape(door, 0)).toMatchObject({ shapes: [], chosen: -1 });
});

test("the most shapes and points that the schema allows are known before the server refuses more", () => {
  expect([isFull(sketch({ zones: [DOOR] }), ZONES), isFull(sketch({ zones: [DOOR, DOOR] }), ZONES), isFull(sketch({ zones: [DOOR, DOOR] }), LINES)]).toEqual([false, true, false]);
  const corners = [[1, 1], [9, 1], [9, 9], [1, 9], [1, 5]].map(([x = 0, y = 0]) => ({ x, y }));
  const drawn = finish(corners.reduce(setPoint, begin(sketch(), ZONES)));
  expect(pairs(drawn), "the fifth is too many").toHaveLength(4);
  expect(insertPoint(drawn, 0, 0).shapes).toEqual(drawn.shapes);
});

test("a shape without a name, with that of another or with one that the schema refuses is told what to do; spaces round a name do not count", () => {
  const drawn = sketch({ zones: [DOOR, { ...DOOR, name: "gate" }], lines: [{ name: "exit", line: [[0, 0], [1, 1]] }] });
  const faults = (of: Sketch) => of.shapes.map((_, at) => nameFault(of, at));
  expect(faults(drawn)).toEqual([null, null, null]);
  expect(faults(rename(drawn, 0, "  "))).toEqual(["Give it a name.", null, null]);
  expect(faults(rename(drawn, 1, " door "))).toEqual([null, "Another zone is called door: choose a name of its own.", null]);
  expect(faults(rename(drawn, 2, "door"))).toEqual([null, null, "Another zone is called door: choose a name of its own."]);
  expect(faults(rename(drawn, 1, "gate: in"))).toEqual([null, "Choose another name. The name, without a colon.", null]);
  expect(withShapes({}, [ZONES], rename(drawn, 0, " yard ").shapes)).toMatchObject({ zones: [{ name: "yard" }, { name: "gate" }] });
});

test("no name is written where the schema has none", () => {
  const [areas] = shapeOptions({ properties: { areas: { type: "array", items: { type: "object", properties: { corners: { ...POINTS, format: "polygon" }, weight: { type: "number" } } } } } }) as [ShapeOption];
  const old = { corners: [[0, 0], [9, 0], [9, 9]], weight: 2 };
  const begun = begin(sketchOf(shapesIn({ areas: [old] }, [areas]), { width: 100, height: 50 }), areas);
  const drawn = finish([[1, 1], [5, 1], [5, 5]].reduce((known, [x = 0, y = 0]) => setPoint(known, { x, y }), begun));
  expect(withShapes({}, [areas], drawn.shapes)).toEqual({ areas: [old, { corners: [[1, 1], [5, 1], [5, 5]] }] });
  expect(nameFault(drawn, 0)).toBeNull();
});
