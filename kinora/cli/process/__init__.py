"""A command as a process: its imports, its streams, its signals, and its errors."""
