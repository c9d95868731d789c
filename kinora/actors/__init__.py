"""The system at work; ``messages`` and ``models`` are what it says and shows.

Jobs: ``job_manager`` has the queue, ``job_factory`` makes a ``job``, whose ``pipeline`` has a ``tool_runner`` for each
plugin. Clients: ``connection_manager`` publishes to a ``client_session`` each, ``tokens`` lets them in. What is kept:
``store``, over ``database`` and ``schema``; ``retention`` deletes it again.
"""
