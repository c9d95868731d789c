"""Ray as the one who places, starts and ends agents.

``driver`` is the process that the server starts; ``driving`` does its work below it, and alone imports Ray. ``talk``
has the messages between the server and it. ``actor`` runs in the cluster: one actor for each agent, which ends with it.
The rest are plain functions.
"""
