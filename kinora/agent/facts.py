"""What an agent has, as it tells its server."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence

import attrs

from kinora import __version__
from kinora.fleet import link
from kinora.plugins.devices import Device
from kinora.plugins.registry import PluginEntry
from kinora.runtime.linux.machine import memory_bytes


@attrs.frozen(kw_only=True)
class Offer:
    """What the operator offers of a machine."""

    name: str | None = None
    """The agent's name; None stands for the machine's."""
    places: int
    """The most jobs at once."""
    cpus: float | None = None
    """The cores that jobs may ask for; None stands for all, and at least one for each place."""
    resources: Mapping[str, float] = attrs.field(factory=dict)
    shares_files: bool = False
    """True if it is on the server's machine, and reads the server's files itself."""


def facts(
    offer: Offer,
    *,
    cores: int,
    versions: Mapping[str, str],
    devices: Sequence[Device],
    plugins: Iterable[PluginEntry],
) -> link.Facts:
    """Return what an agent has, with those of the plugins that can be used."""
    host = socket.gethostname()
    return link.Facts(
        name=offer.name or host,
        host=host,
        pid=os.getpid(),
        kinora=__version__,
        versions=versions,
        cpus=offer.cpus or max(cores, offer.places),
        memory=memory_bytes(),
        devices=tuple(
            link.Device(id=device.id, kind=device.kind, name=device.name, available=device.available)
            for device in devices
        ),
        resources=offer.resources,
        places=offer.places,
        plugins={
            entry.name: link.Plugin(version=entry.metadata.version, code=entry.code)
            for entry in plugins
            if entry.metadata is not None and entry.broken is None
        },
        shares_files=offer.shares_files,
    )
