"""``kinora doctor``: looks at all that a server needs here, before one is started or while one runs.

``finding`` is what a check says, ``examination`` has all checks and their time limits. The checks are plain functions,
by what they look at: ``software``, ``media``, ``machine``, ``folders``, ``certificate``, ``port``; ``trial`` has a
frame go through.
"""
