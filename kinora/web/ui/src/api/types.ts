/** Parts of what the server takes and sends that have no name there. The rest is in generated.ts: `make ui-types`. */
import type { JobSummary, PluginRequest, StageState, WarningGroup } from "./generated";

export type JobStatus = JobSummary["status"];
export type Stage = JobSummary["stage"];
export type StageStatus = StageState["status"];
export type Health = StageState["health"];
export type Severity = WarningGroup["severity"];
export type PluginChoice = Required<PluginRequest>;
