"""The warnings of one job: each is published when it first occurs, and its repeats are counted.

Of the repeats the 10th, 100th, 1,000th … are published as well, see :func:`~kinora.repeats.is_told`.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from kinora.actors.messages import Code, WarningPayload
from kinora.actors.models import WarningGroup
from kinora.actors.times import utc_now
from kinora.plugins.api import Severity
from kinora.repeats import is_told

MAX_DISTINCT = 100
"""The most different messages of one plugin that are kept; further ones are counted together."""
OVERFLOW_MESSAGE = "further warnings, counted together"

_ORIGINS = {Code.DEVICE_FALLBACK: "device", Code.STORE_FAILING: "store", Code.AGENT_LOST: "agent"}
"""Code → the origin named in the text of a warning without a plugin; ``source`` for all other codes."""


LOSSES = frozenset(
    {Code.PLUGIN_CRASH, Code.PLUGIN_TIMEOUT, Code.PLUGIN_MEMORY, Code.PLUGIN_DISABLED}
    | {Code.RESUMED, Code.STATE_LOST, Code.SOURCE_RESTARTED, Code.SOURCE_LOST, Code.SOURCE_BACK}
)
"""The warnings that say what frames lack. None comes oftener than processes die."""

_OUTAGES = frozenset({Code.SOURCE_LOST, Code.SOURCE_BACK})
"""Those of a live source that is lost. The pauses before it is opened again bound their number."""
_EACH_TIME = _OUTAGES | {Code.AGENT_LOST}
"""The warnings that are published each time."""
_OF_SOURCES = _OUTAGES | {Code.SOURCE_LEFT_OUT, Code.SOURCE_GUESSED, Code.SOURCE_RESIZED, Code.FRAMES_DROPPED}
"""The warnings that a source gives again on the next server."""


@attrs.frozen
class _Key:
    plugin: str | None
    code: Code
    message: str


@attrs.define
class _Kept:
    severity: Severity
    frame_id: str | None
    count: int = 0
    at: str | None = None


@attrs.define
class WarningLog:
    """Keeps a job's warnings in the order in which they first occurred. Its size is bounded."""

    job_id: str
    _kept: dict[_Key, _Kept] = attrs.field(factory=dict)
    _totals: dict[str | None, int] = attrs.field(factory=dict)
    _distinct: dict[str | None, int] = attrs.field(factory=dict)
    losses: int = 0
    """The number of warnings that say what frames lack, repeats included."""

    def add(
        self,
        plugin: str | None,
        code: Code,
        message: str,
        severity: Severity,
        frame_id: str | None = None,
        *,
        kept_as: str | None = None,
    ) -> WarningPayload | None:
        """Count a warning, and return the message to publish; None for a repeat that is not published.

        Those with the same ``kept_as`` are kept as one; it stands for the message, which is published.
        """
        key = self._key(plugin, code, kept_as or message)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Kept(severity, frame_id, at=utc_now())
        kept.count += 1
        self.losses += code in LOSSES
        self._totals[plugin] = self._totals.get(plugin, 0) + 1
        if not is_told(kept.count) and code not in _EACH_TIME:
            return None
        return WarningPayload(
            job_id=self.job_id,
            plugin=plugin,
            message=message if kept_as else key.message,
            severity=severity,
            code=code,
            frame_id=frame_id,
            count=kept.count,
        )

    def known(self, plugin: str | None, code: Code, message: str) -> bool:
        """Return whether there was such a warning already."""
        return _Key(plugin, code, message) in self._kept

    def restore(self, groups: Iterable[WarningGroup]) -> None:
        """Count warnings of an earlier server again; none of them is published."""
        for group in groups:
            key = _Key(group.plugin, Code(group.code), group.message)
            self._kept[key] = _Kept(group.severity, group.frame_id, group.count, group.at)
            self._totals[group.plugin] = self._totals.get(group.plugin, 0) + group.count
            self._distinct[group.plugin] = self._distinct.get(group.plugin, 0) + 1

    def count(self, plugin: str | None) -> int:
        """Return the number of one plugin's warnings, repeats included; None stands for those without a plugin."""
        return self._totals.get(plugin, 0)

    @property
    def distinct(self) -> int:
        """The number of different warnings, which is the number of texts."""
        return len(self._kept)

    @property
    def total(self) -> int:
        """The number of all warnings, repeats included."""
        return sum(self._totals.values())

    def texts(self) -> tuple[str, ...]:
        """Return each different warning as ``plugin: message``, with its count if it was repeated."""
        return tuple(
            f"{_origin(key)}: {key.message}" + (f" ({kept.count} times)" if kept.count > 1 else "")
            for key, kept in self._kept.items()
        )

    def groups(self) -> tuple[WarningGroup, ...]:
        """Return each different warning with its first frame, its first time and its count."""
        return tuple(
            WarningGroup(
                plugin=key.plugin,
                code=key.code,
                severity=kept.severity,
                message=key.message,
                count=kept.count,
                frame_id=kept.frame_id,
                at=kept.at,
            )
            for key, kept in self._kept.items()
        )

    def _key(self, plugin: str | None, code: Code, message: str) -> _Key:
        key = _Key(plugin, code, message)
        if key in self._kept:
            return key
        if self._distinct.get(plugin, 0) >= MAX_DISTINCT:
            return _Key(plugin, code, OVERFLOW_MESSAGE)
        self._distinct[plugin] = self._distinct.get(plugin, 0) + 1
        return key


def kept_by_pipeline(group: WarningGroup) -> bool:
    """Return whether an earlier server's warning goes on to the pipelines of the job, or else to the Job itself."""
    return group.plugin is not None or group.code in _OF_SOURCES


def _origin(key: _Key) -> str:
    if key.plugin is not None:
        return key.plugin
    return _ORIGINS.get(key.code, "source")
