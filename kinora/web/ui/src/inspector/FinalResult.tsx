import type { Json, JsonObject } from "../api/generated";
import { isObject } from "../draw/detections";
import { isFlat, isRows, keyedRows, valueInWords } from "./resultShape";

/** The most rows of a list that are shown; the job's JSON has all of them. */
const MAX_ROWS = 100;

/** A plugin's result for the whole job: its figures by name, its lists as tables. */
export function FinalResult({ value }: { value: Json }) {
  if (value === null) return null;
  return (
    <div className="final-result">
      <h4>Result</h4>
      {isObject(value) ? Object.entries(value).map(([name, part]) => <Part key={name} name={name} value={part} />) : <Part name="" value={value} />}
    </div>
  );
}

function Part({ name, value }: { name: string; value: Json }) {
  if (isRows(value)) return <Rows name={name} rows={value} />;
  const keyed = isObject(value) ? keyedRows(value) : null;
  if (keyed) return <Rows name={name} rows={keyed} />;
  if (isObject(value) && isFlat(value)) {
    return <p>{name} {Object.entries(value).map(([key, each]) => <span key={key} className="result-figure"><b>{valueInWords(each)}</b> {key}</span>)}</p>;
  }
  if (typeof value === "object" && value !== null) {
    // What scrolls must be reachable by keyboard.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    return <pre tabIndex={0} role="region" aria-label={name === "" ? "Result" : name}>{JSON.stringify(value, null, 1)}</pre>;
  }
  return <p><b>{valueInWords(value)}</b> {name}</p>;
}

function Rows({ name, rows }: { name: string; rows: readonly JsonObject[] }) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return (
    // What scrolls must be reachable by keyboard.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="result-rows" tabIndex={0} role="region" aria-label={name}>
      <table>
        <caption>{name} <span className="hint">{rows.length > MAX_ROWS ? `the first ${MAX_ROWS} of ${rows.length}; the job's JSON has all` : rows.length}</span></caption>
        <thead>
          <tr>{columns.map((column) => <th key={column} scope="col">{column}</th>)}</tr>
        </thead>
        <tbody>
          {rows.slice(0, MAX_ROWS).map((row, at) => (
            <tr key={at}>{columns.map((column) => <td key={column}>{valueInWords(row[column] ?? null)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
