/** Names for parts of the API's types. The types themselves are in generated.ts, which `make ui-types` writes. */
import type { JobSummary, PluginRequest, StageState, WarningGroup } from "./generated";

export type JobStatus = JobSummary["status"];
export type Stage = JobSummary["stage"];
export type StageStatus = StageState["status"];
export type Health = StageState["health"];
export type Severity = WarningGroup["severity"];
export type PluginChoice = PluginRequest & Required<Pick<PluginRequest, "options">>;
