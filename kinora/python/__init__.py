"""Kinora in a Python program: ``kinora.run`` here, ``kinora.connect`` on a server.

A composition root beside ``kinora.serve``: a run has a whole system, or a client, in a thread of its own.
"""
