"""Storms: what a quiet client of a server sees, and what the server's memory does, while other clients ask too much.

See docs/reliability.md. ``python -m benchmarks.storms --tree EARLIER --tree .`` runs them against two trees in turns.
"""
