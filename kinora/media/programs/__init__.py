"""The programs of media workers: each ``main`` is the target of a worker process."""
