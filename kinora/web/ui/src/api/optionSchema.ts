/** The options of a plugin, as its JSON Schema describes them, and their values in a form. */
import type { Json, JsonObject } from "./generated";

/** The part of a JSON Schema that forms are made from. */
export interface OptionSchema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: Json;
  minimum?: number;
  maximum?: number;
  /** The most characters of a text. */
  maxLength?: number;
  /** A regular expression that a text matches. */
  pattern?: string;
  /** The most items of a list. */
  maxItems?: number;
  /** Read after a number, as "pixels" or "of the picture"; no keyword of JSON Schema, but allowed in it. */
  unit?: string;
  enum?: Json[];
  /** `polygon` or `line` for a list of points, which are drawn on the picture by hand. */
  format?: string;
  items?: OptionSchema;
  properties?: Record<string, OptionSchema>;
}

export type OptionKind = "number" | "integer" | "boolean" | "choice" | "names" | "text" | "json";

export function kindOf(schema: OptionSchema): OptionKind {
  if (schema.enum) return "choice";
  const type = Array.isArray(schema.type) ? schema.type.find((name) => name !== "null") : schema.type;
  if (type === "number" || type === "integer" || type === "boolean") return type;
  if (type === "string") return "text";
  return type === "array" && schema.items?.type === "string" ? "names" : "json";
}

/** The options in a plugin's `config_schema`, by name. */
export function propertiesOf(schema: JsonObject | null): [string, OptionSchema][] {
  return Object.entries((schema as OptionSchema | null)?.properties ?? {});
}

/** The names of the options that differ from the plugin's defaults. */
export function changedOptions(schema: JsonObject | null, options: JsonObject): string[] {
  const usual = new Map(propertiesOf(schema).map(([name, property]) => [name, JSON.stringify(property.default)]));
  return Object.keys(options).filter((name) => JSON.stringify(options[name]) !== usual.get(name));
}

/** The value of a field's text: none if it is empty, which means the default, and an error if it is not valid. */
export function parseOption(schema: OptionSchema, text: string): { value?: Json; error?: string } {
  const trimmed = text.trim();
  if (trimmed === "") return {};
  switch (kindOf(schema)) {
    case "number":
    case "integer":
      return parseNumber(schema, trimmed);
    case "names":
      return { value: trimmed.split(",").map((name) => name.trim()).filter((name) => name !== "") };
    case "json":
      try {
        return { value: JSON.parse(trimmed) as Json };
      } catch {
        return { error: "must be JSON" };
      }
    default:
      return { value: trimmed };
  }
}

function parseNumber(schema: OptionSchema, text: string): { value?: Json; error?: string } {
  const value = Number(text);
  const { minimum = -Infinity, maximum = Infinity } = schema;
  const whole = kindOf(schema) === "integer";
  if (!Number.isFinite(value) || (whole && !Number.isInteger(value))) {
    return { error: `must be a ${whole ? "whole " : ""}number` };
  }
  if (value < minimum || value > maximum) return { error: `must be from ${minimum} to ${maximum}` };
  return { value };
}

/** `options` with one of them changed; undefined resets it to its default. */
export function withOption(options: JsonObject, name: string, value: Json | undefined): JsonObject {
  const { [name]: _old, ...others } = options;
  return value === undefined ? others : { ...others, [name]: value };
}

const KINDS: Record<OptionKind, string> = {
  number: "a number",
  integer: "a whole number",
  boolean: "yes or no",
  choice: "one of these",
  names: "names, separated by commas",
  text: "text",
  json: "JSON",
};

/** What a value can be and what it is by default, such as "A whole number from 1 to 9 pixels; 3 by default." */
export function rangeInWords(schema: OptionSchema): string {
  const { minimum, maximum, unit, enum: choices } = schema;
  const kind = kindOf(schema);
  let words = kind === "choice" ? `one of ${(choices ?? []).map(showValue).join(", ")}` : KINDS[kind];
  if (minimum !== undefined && maximum !== undefined) words += ` from ${minimum} to ${maximum}`;
  else if (minimum !== undefined) words += `, at least ${minimum}`;
  else if (maximum !== undefined) words += `, at most ${maximum}`;
  if (unit !== undefined) words += ` ${unit}`;
  const usual = kind === "boolean" ? { true: "yes", false: "no" }[showValue(schema.default)] : showValue(schema.default);
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${usual ? `; ${usual} by default` : ""}.`;
}

export function showValue(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
