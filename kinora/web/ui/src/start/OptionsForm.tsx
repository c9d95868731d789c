import { useId, useMemo, useState, type InputHTMLAttributes } from "react";
import type { Json, JsonObject } from "../api/generated";
import { kindOf, parseOption, propertiesOf, rangeInWords, showValue, withOption, type OptionSchema } from "../api/optionSchema";
import { shapeOptions } from "../editor/shapeOptions";
import { ShapesField } from "../editor/ShapesField";

interface OptionsFormProps {
  schema: JsonObject | null;
  options: JsonObject;
  onChange: (options: JsonObject) => void;
}

/** A form made from a plugin's schema; a field left empty means the plugin's default. */
export function OptionsForm({ schema, options, onChange }: OptionsFormProps) {
  const drawn = useMemo(() => shapeOptions(schema), [schema]);
  const all = propertiesOf(schema);
  const properties = all.filter(([name]) => !drawn.some((option) => option.name === name));
  if (all.length === 0) return <p className="hint">This plugin has no options.</p>;
  return (
    <div className="options-form">
      {drawn.length > 0 && <ShapesField shapeOptions={drawn} options={options} onChange={onChange} />}
      {properties.map(([name, property]) => (
        <OptionField key={name} name={name} schema={property} value={options[name]}
          onChange={(value) => onChange(withOption(options, name, value))} />
      ))}
    </div>
  );
}

interface OptionFieldProps {
  name: string;
  schema: OptionSchema;
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
}

function OptionField(props: OptionFieldProps) {
  switch (kindOf(props.schema)) {
    case "boolean":
      return <BooleanField {...props} />;
    case "choice":
      return <ChoiceField {...props} />;
    default:
      return <TextField {...props} />;
  }
}

function BooleanField({ name, schema, value, onChange }: OptionFieldProps) {
  const id = useId();
  const on = (value ?? schema.default) === true;
  return (
    <div className="field">
      <label className="check" htmlFor={id}>
        <input id={id} type="checkbox" checked={on} aria-describedby={`${id}-note`}
          onChange={(event) => onChange(event.target.checked === schema.default ? undefined : event.target.checked)} />
        {schema.title ?? name}
      </label>
      <Note id={id} schema={schema} error={null} />
    </div>
  );
}

function ChoiceField({ name, schema, value, onChange }: OptionFieldProps) {
  const id = useId();
  const choices = schema.enum ?? [];
  const at = choices.findIndex((choice) => JSON.stringify(choice) === JSON.stringify(value ?? schema.default));
  return (
    <div className="field">
      <label htmlFor={id}>{schema.title ?? name}</label>
      <select id={id} value={at} aria-describedby={`${id}-note`} onChange={(event) => onChange(choices[Number(event.target.value)])}>
        {at < 0 && <option value={-1}>the plugin's default</option>}
        {choices.map((choice, index) => (
          <option key={showValue(choice)} value={index}>{showValue(choice)}</option>
        ))}
      </select>
      <Note id={id} schema={schema} error={null} />
    </div>
  );
}

function TextField({ name, schema, value, onChange }: OptionFieldProps) {
  const id = useId();
  const [text, setText] = useState(showValue(value));
  const { error = null } = parseOption(schema, text);
  const kind = kindOf(schema);
  const change = (next: string) => {
    setText(next);
    const parsed = parseOption(schema, next);
    // A text that is not valid is sent unchanged, so that the server's error for it is shown too.
    onChange(parsed.error === undefined ? parsed.value : next);
  };
  return (
    <div className="field">
      <label htmlFor={id}>{schema.title ?? name}</label>
      <input id={id} value={text} {...numbered(schema)} placeholder={showValue(schema.default)} aria-invalid={error !== null} aria-describedby={`${id}-note`}
        inputMode={kind === "number" ? "decimal" : kind === "integer" ? "numeric" : "text"}
        onChange={(event) => change(event.target.value)} />
      <Note id={id} schema={schema} error={error} />
    </div>
  );
}

/** The attributes of a number's field: bounds, and steps between values. */
function numbered(schema: OptionSchema): InputHTMLAttributes<HTMLInputElement> {
  const kind = kindOf(schema);
  if (kind !== "number" && kind !== "integer") return {};
  return { type: "number", min: schema.minimum, max: schema.maximum, step: kind === "integer" ? 1 : "any" };
}

function Note({ id, schema, error }: { id: string; schema: OptionSchema; error: string | null }) {
  return (
    <p id={`${id}-note`} className={error === null ? "hint" : "bad-text"}>
      {error ?? schema.description} {error === null && <span className="range">{rangeInWords(schema)}</span>}
    </p>
  );
}
