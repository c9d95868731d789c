"""The system at work: one file, one actor; ``messages`` and ``models`` are what they say and show."""
