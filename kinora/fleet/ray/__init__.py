"""Ray as the one who places, starts and ends agents.

In the server, ``ray_provider`` has agents started and ended, as the plain decisions of ``demand`` say. It starts a
process for that, the ``driver``: ``driving`` does the work there, and it alone imports Ray, by ``cluster``. ``talk``
has the messages between both. ``actor`` runs in the cluster: one actor for each agent, which ends with it.
"""
