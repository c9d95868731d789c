"""The zoo: plugins that misbehave, each run as a real job over real video beside one that does not.

``python -m tests.zoo`` writes the outcomes to ``docs/guarantee.md``.
"""
