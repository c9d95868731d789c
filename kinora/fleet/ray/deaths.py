"""Why an agent in a Ray cluster has ended, as a sentence."""

from __future__ import annotations

import re

from kinora.fleet.ray.actor import End
from kinora.fleet.ray.talk import cut

_CAUSE = re.compile(r"The actor is dead because (.*?)(?:\.\s|\.?$)", re.DOTALL)

_LOST_NODE = ("node has died", "node was terminated", "node is dead", "is unavailable")


def ended(end: End) -> str:
    """Return the reason why an agent has ended by itself."""
    lines = [line.strip() for line in end.output.splitlines() if line.strip()]
    said = f": {lines[-1]}" if lines else "."
    return cut(f"The agent ended with exit code {end.status}{said}")


def died(error: str) -> str:
    """Return the reason from the text of Ray's error."""
    if "No module named 'kinora" in error:
        return "Kinora cannot be imported on the node: install it there, in the Python that Ray runs with."
    if any(phrase in error for phrase in _LOST_NODE):
        return "Its node was lost."
    if found := _CAUSE.search(error):
        return cut(f"Ray says that {' '.join(found[1].split())}.")
    return cut(f"Ray says: {' '.join(error.split())}")
