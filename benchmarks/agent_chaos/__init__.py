"""Chaos among agents: agents and their server are killed and stopped at random, and whether each job ends right.

See docs/endurance.md. ``python -m benchmarks.agent_chaos [--minutes N] [--seed N]`` runs it.
"""
