"""How things run: actors, supervision, broadcast, worker processes, frames in shared memory.

Knows nothing of jobs, plugins or the web.
"""
