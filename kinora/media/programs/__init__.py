"""The programs of media workers: each ``main`` is the start of a worker process."""
