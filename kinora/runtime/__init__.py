"""The machinery that things run on, which does not know of jobs, plugins or the web.

``forking`` has the worker processes, ``events`` the broadcast to many subscribers, ``shared_memory`` the frames. At the
root are the supervision of actors and the watch on the event loop.
"""
