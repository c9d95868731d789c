"""How Ray starts an agent of this server: on the server's machine, or on another one."""

from __future__ import annotations

from pathlib import Path

import attrs

from kinora.fleet.local_start import LocalStart, encode_start
from kinora.fleet.ray.demand import Ask
from kinora.fleet.ray.limits import LEAST
from kinora.fleet.ray.talk import Begin


@attrs.frozen(kw_only=True)
class Recipe:
    """The server, as its agents need to know it."""

    url: str
    """The address by which they reach it."""
    token: str | None = attrs.field(default=None, repr=False)
    certificate: Path | None = None
    settings: bytes | None = attrs.field(default=None, repr=False)
    """The server's settings, for agents on its machine, see ``kinora.settings.transfer``; None for agents elsewhere,
    which have their own."""

    def begin(self, ask: Ask) -> Begin:
        """Return what the driver is told of an agent."""
        elsewhere = self.settings is None
        return Begin(
            name=ask.name,
            cpus=ask.needs.cpus,
            gpus=ask.needs.gpus,
            resources=ask.needs.resources,
            arguments=self._arguments(ask) if elsewhere else (),
            token=self.token if elsewhere else None,
            start=b"" if self.settings is None else self._start(ask, self.settings),
        )

    def _arguments(self, ask: Ask) -> tuple[str, ...]:
        needs = ask.needs
        resources = [f"--resource={name}={amount}" for name, amount in needs.resources.items()]
        return (f"--server={self.url}", f"--name={ask.name}", "--places=1", f"--cpus={_cpus(ask)}", *resources)

    def _start(self, ask: Ask, settings: bytes) -> bytes:
        start = LocalStart(
            server_pid=0,  # the keeper beside it, which fills that in
            url=self.url,
            token=self.token,
            certificate=None if self.certificate is None else str(self.certificate),
            name=ask.name,
            places=1,
            cpus=_cpus(ask),
            resources=ask.needs.resources,
            settings=settings,
        )
        return encode_start(start)


def _cpus(ask: Ask) -> float:
    """The cores that it says it has: none would stand for all."""
    return max(ask.needs.cpus, LEAST)
