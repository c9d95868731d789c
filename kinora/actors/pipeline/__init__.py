"""The work of a job, from its source through its stages to finished frames."""
