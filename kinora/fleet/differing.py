"""How the plugins of an agent differ from those of the server."""

from __future__ import annotations

from collections.abc import Iterator

from kinora.fleet.agent_state import DifferingPlugin
from kinora.fleet.placement import Plugins, differs


def differing(theirs: Plugins, ours: Plugins) -> Iterator[DifferingPlugin]:
    """Tell of each plugin that works on the server and that an agent lacks or has otherwise.

    What only the agent has is left out: no job asks for it.
    """
    for name, plugin in ours.items():
        fault = differs(name, theirs.get(name), plugin)
        if fault is not None:
            yield DifferingPlugin(name=name, reason=f"The agent {fault}.")
