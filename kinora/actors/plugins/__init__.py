"""What is known of plugins over all jobs: their health and failures, their changed files, and their devices."""
