"""Why an agent in a Ray cluster has ended, as a sentence."""

from __future__ import annotations

import re

from kinora.fleet.ray.actor import End
from kinora.fleet.ray.talk import cut

_CAUSE = re.compile(r"The actor is dead because (.*?)(?:\.\s|\.?$)", re.DOTALL)


def ended(end: End) -> str:
    """Return the reason why an agent has ended by itself."""
    lines = [line.strip() for line in end.output.splitlines() if line.strip()]
    said = f": {lines[-1]}" if lines else "."
    return cut(f"The agent ended with exit code {end.status}{said}")


def died(error: str) -> str:
    """Return the reason from the text of Ray's error."""
    if "No module named 'kinora" in error:
        return "Kinora cannot be imported on the node: install it there, in the Python that Ray runs with."
    if "node has died" in error or "node was terminated" in error or "node is dead" in error:
        return "Its node was lost."
    if found := _CAUSE.search(error):
        return cut(f"Ray says that {' '.join(found[1].split())}.")
    return cut(f"Ray says: {' '.join(error.split())}")
