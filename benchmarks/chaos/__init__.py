"""Chaos: a server that is killed, stopped, moved and starved while clients use it, and whether what it tells is true.

See docs/endurance.md. ``python -m benchmarks.chaos [--minutes N] [--seed N]`` runs it.
"""
