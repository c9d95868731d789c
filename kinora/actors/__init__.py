"""The system at work: a room for each part of it, and at the root the words that all rooms share.

``messages`` and ``models`` are what clients are told and shown. ``jobs`` decides when a job runs and how it ends; its
``pipeline`` takes frames from ``sources`` through ``stages``, one for each plugin. ``plugins`` has what is known of
plugins over all jobs. ``realtime`` has the clients that listen, ``access`` the tokens that let them in. ``store`` keeps
what jobs find, and ``retention`` deletes it again.
"""
