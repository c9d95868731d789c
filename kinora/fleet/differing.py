"""How the plugins of an agent differ from those of the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from kinora.fleet.agent_state import DifferingPlugin
from kinora.fleet.link import Plugin
from kinora.plugins.registry import PluginEntry


def differing(entries: Iterable[PluginEntry], theirs: Mapping[str, Plugin]) -> Iterator[DifferingPlugin]:
    """Tell of each plugin that works on the server and that an agent lacks or has otherwise.

    What only the agent has is left out: no job asks for it.
    """
    for entry in entries:
        if entry.broken is None and entry.metadata is not None:
            reason = _difference(entry.metadata.version, entry.code, theirs.get(entry.name))
            if reason is not None:
                yield DifferingPlugin(name=entry.name, reason=reason)


def _difference(version: str, code: str, found: Plugin | None) -> str | None:
    if found is None:
        return "The agent lacks it, or cannot use it: install it there as on the server."
    if found.code == code:
        return None
    if found.version != version:
        return f"The agent has version {found.version}, and the server {version}."
    return f"Its code is not that of the server, although both say version {version}."
