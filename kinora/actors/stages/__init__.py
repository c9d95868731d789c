"""A stage of a job: one plugin at work, in processes of its own."""
