/** Options that hold places in the picture: their schemas say `"format": "polygon"` or `"format": "line"`. */
import type { Json, JsonObject } from "../api/generated";
import { propertiesOf, withOption, type OptionSchema } from "../api/optionSchema";
import type { Point } from "../draw/detections";

export type ShapeKind = "polygon" | "line";

/** An option that holds shapes. */
export interface ShapeOption {
  name: string;
  kind: ShapeKind;
  /** What one of its shapes is called, such as "zone". */
  noun: string;
  /** False if the option holds a single shape. */
  many: boolean;
  /** The most shapes; undefined for any number. */
  most?: number | undefined;
  /** The most points of a shape; undefined for any number. */
  mostPoints?: number | undefined;
  /** The property of an item with the shape's points; null if the item itself is the points. */
  key: string | null;
  /** True if its items have names. */
  named: boolean;
  /** The most characters of a name; undefined for any number. */
  longestName?: number | undefined;
  /** What a name must match, and the schema's words for it. */
  nameRule?: { pattern: RegExp; words: string } | undefined;
}

/** A shape with its place in an option. */
export interface Shape {
  option: ShapeOption;
  /** Null if its option has no names for shapes. */
  name: string | null;
  points: readonly Point[];
  /** The other properties of its item, which are kept as they are. */
  others: JsonObject;
}

const NAME = "name";

/** The options of a plugin that hold shapes, in the order of its schema. */
export function shapeOptions(schema: JsonObject | null): ShapeOption[] {
  return propertiesOf(schema).flatMap(([name, property]) => shapeOption(name, property) ?? []);
}

function shapeOption(name: string, schema: OptionSchema): ShapeOption | null {
  const own = kindIn(schema);
  if (own !== null) return { name, kind: own, noun: schema.title ?? name, many: false, mostPoints: schema.maxItems, key: null, named: false };
  const noun = schema.items?.title ?? name.replace(/s$/, "");
  const most = schema.maxItems;
  const item = schema.items && kindIn(schema.items);
  if (item) return { name, kind: item, noun, many: true, most, mostPoints: schema.items?.maxItems, key: null, named: false };
  const properties = schema.items?.properties ?? {};
  for (const [key, property] of Object.entries(properties)) {
    const kind = kindIn(property);
    if (kind !== null) return { name, kind, noun, many: true, most, mostPoints: property.maxItems, key, named: NAME in properties, longestName: properties[NAME]?.maxLength, nameRule: ruleOf(properties[NAME]) };
  }
  return null;
}

/** The rule of a schema's text; none if it is no expression that browsers know: the server checks it anyway. */
function ruleOf({ pattern, description }: OptionSchema = {}): ShapeOption["nameRule"] {
  if (pattern === undefined) return undefined;
  try {
    return { pattern: new RegExp(pattern, "u"), words: description ?? `It must match the regular expression ${pattern}` };
  } catch {
    return undefined;
  }
}

function kindIn({ format }: OptionSchema): ShapeKind | null {
  return format === "polygon" || format === "line" ? format : null;
}

/** The shapes in `options`. What is not written as a shape is left out. */
export function shapesIn(options: JsonObject, all: readonly ShapeOption[]): Shape[] {
  return all.flatMap((option) => {
    const value = options[option.name];
    const items = option.many ? (Array.isArray(value) ? value : []) : [value];
    return items.flatMap((item) => shapeOf(option, item) ?? []);
  });
}

function shapeOf(option: ShapeOption, item: Json | undefined): Shape | null {
  if (option.key === null) {
    const points = pointsOf(item);
    return points && { option, name: null, points, others: {} };
  }
  if (typeof item !== "object" || item === null || Array.isArray(item)) return null;
  const { [option.key]: value, ...rest } = item;
  const points = pointsOf(value);
  if (!option.named) return points && { option, name: null, points, others: rest };
  const { [NAME]: name, ...others } = rest;
  return points && { option, name: typeof name === "string" ? name : "", points, others };
}

function pointsOf(value: Json | undefined): Point[] | null {
  if (!Array.isArray(value)) return null;
  const points = value.flatMap((pair) => {
    const [x, y] = Array.isArray(pair) ? pair : [];
    return typeof x === "number" && typeof y === "number" ? { x, y } : [];
  });
  return points.length > 0 && points.length === value.length ? points : null;
}

/** `options` with these shapes in place of those that `all` held; an option without shapes is reset to its default. */
export function withShapes(options: JsonObject, all: readonly ShapeOption[], shapes: readonly Shape[]): JsonObject {
  return all.reduce((known, option) => {
    const items = shapes.filter((shape) => shape.option.name === option.name).map(itemOf);
    return withOption(known, option.name, option.many ? (items.length > 0 ? items : undefined) : items[0]);
  }, options);
}

function itemOf({ option, name, points, others }: Shape): Json {
  const pairs = points.map(({ x, y }) => [x, y]);
  return option.key === null ? pairs : { ...(name !== null && { [NAME]: name.trim() }), [option.key]: pairs, ...others };
}
