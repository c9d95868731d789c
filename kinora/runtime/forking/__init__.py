"""Worker processes: forked in milliseconds, spoken with in typed messages, and gone with all their children."""
