"""A webhook as the operator sets it, and the messages that it wants."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from kinora.actors.requests.clip_rule import ClipRule, check_clip
from kinora.media.live.placed_camera import read_password
from kinora.media.network.url_access import HTTP, SourceUrl
from kinora.media.source_types import SourceError

EVERY_EVENT = "*"
"""Stands for the events of plugins, whatever their kind."""
EVENT, COMPLETE, WARNING = "event", "complete", "warning"
"""The types of messages that are posted; the last two also stand for them in ``events``."""
OF_PLUGINS = f"{EVENT}:"
"""Stands in ``events`` before a kind that would mean something else without it, such as ``event:complete``."""


@attrs.frozen
class Occurrence:
    """What a message tells, as far as webhooks choose by it."""

    type: str
    """The type of the message: ``event``, ``complete`` or ``warning``."""
    kind: str
    """The kind of an event, the code of a warning, the status of a job that has ended."""
    plugin: str | None
    event: int | None = None
    """The number of an event in its job."""


def _address(_webhook: object, _field: object, value: str) -> None:
    if re.match(r"[^/]*//[^/]*@", value):
        raise ValueError("leave user and password out of the URL: a receiver knows the sender by the signature")
    if not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    try:
        url = SourceUrl.parse(value, HTTP)
    except SourceError as error:
        raise ValueError(str(error)) from error
    if not url.host.isascii():
        raise ValueError("must have a host in ASCII: write bücher.example as xn--bcher-kva.example")


def _not_empty(_webhook: object, _field: object, value: Sequence[str]) -> None:
    if not value or not all(word.removeprefix(OF_PLUGINS) for word in value):
        raise ValueError('must name at least one kind of event, "*" for all of them, "complete" or "warning"')


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


@attrs.frozen(kw_only=True)
class Webhook:
    """An address that messages are posted to."""

    url: str = attrs.field(repr=False, validator=_address)
    """The address of the receiver, ``http://`` or ``https://``, without user and password. It may be in a private
    network, as the operator has named it; redirects are not followed."""
    events: tuple[str, ...] = attrs.field(default=(EVERY_EVENT,), validator=_not_empty)
    """What is posted: kinds of plugins' events, ``*`` for those of all kinds (default), ``complete`` for the ends of
    jobs, ``warning`` for their warnings. ``event:complete`` is the kind of that name; so with every kind."""
    jobs: tuple[str, ...] = ()
    """The names of standing jobs whose messages are posted; those of all jobs if it is left out."""
    plugins: tuple[str, ...] = ()
    """The plugins whose events and warnings are posted; those of all plugins if it is left out."""
    cooldown_s: float = attrs.field(default=0.0, validator=attrs.validators.ge(0.0))
    """Seconds after an event or a warning for which further ones of the same kind, job and plugin are left out."""
    secret_file: Path | None = attrs.field(default=None, converter=_absolute)
    """The file whose only line is the secret that posts are signed with; they are not signed without it. It is read at
    each post."""

    clip: Mapping[str, Any] | None = attrs.field(default=None, validator=check_clip)
    """How many seconds of the video around each event that it wants are kept with the job, such as
    ``{before_s = 5, after_s = 10}``; nothing is if it is left out."""

    @property
    def clip_rule(self) -> ClipRule | None:
        """What ``clip`` says."""
        return None if self.clip is None else ClipRule.read(self.clip)

    @property
    def shown_url(self) -> str:
        """Its address without path and query, which are the password of many receivers."""
        url = SourceUrl.parse(self.url, HTTP)
        return f"{url.scheme}://{url.authority}/…"

    def wants_job(self, standing: str | None) -> bool:
        """True if it hears the standing job of this name; None stands for a job that is not a standing job."""
        return not self.jobs or standing in self.jobs

    def wants(self, what: Occurrence) -> bool:
        """True if this is chosen. What ``cooldown_s`` leaves out is decided after it."""
        if what.type == COMPLETE:
            return COMPLETE in self.events
        if self.plugins and what.plugin not in self.plugins:
            return False
        if what.type == WARNING:
            return WARNING in self.events
        return not {EVERY_EVENT, what.kind}.isdisjoint(self._kinds)

    @property
    def _kinds(self) -> Iterator[str]:
        """The kinds of plugins' events among what is posted; ``*`` is every kind."""
        return (word.removeprefix(OF_PLUGINS) for word in self.events if word not in {COMPLETE, WARNING})


def read_secret(path: Path) -> str:
    """The secret in a file. Blocks.

    Raises:
        OSError, ValueError: as :func:`read_password`, and if it is empty: anybody could sign with that.
    """
    secret = read_password(path)
    if not secret:
        raise ValueError("it is empty")
    return secret
