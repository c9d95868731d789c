"""The machinery that things run on: actors, supervision, broadcast, worker processes, frames in shared memory.

It does not know of jobs, plugins or the web.
"""
