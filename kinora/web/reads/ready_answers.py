"""Answers to reads, encoded once for each state and shared by all that ask; bounded."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from http import HTTPStatus
from wsgiref.handlers import format_date_time

import attrs
import trio

from kinora.web.answers.responses import EVERY_ANSWER

MAX_BYTES = 32 * 2**20
"""The most bytes of bodies that are kept; beyond it the answer that was asked for the longest ago is dropped."""
MAX_ANSWERS = 4096
"""The most answers that are kept; beyond it as for ``MAX_BYTES``."""
KEPT_S = 10.0
"""An answer is kept for this long, so that a change of the database from outside is seen in the end."""
LIVE_S = 0.05
"""The same for an answer about a running job, which has figures that change by themselves, such as ``fps``."""
_ENDING = b"\r\n\r\n"


class Encoded:
    """An answer in bytes; only its date is missing."""

    def __init__(self, headers: Mapping[str, str], body: bytes, tag: str | None = None) -> None:
        self.tag = tag
        """Its ETag, without quotes; None if it has none."""
        self.size = len(body)
        self._head = _head(HTTPStatus.OK, {**headers, "content-length": str(len(body))})
        self._unchanged = _head(HTTPStatus.NOT_MODIFIED, {name: headers[name] for name in _KEPT if name in headers})
        self._body = body

    def ok(self) -> bytes:
        """The whole answer."""
        return b"".join((self._head, _date(), _ENDING, self._body))

    def unchanged(self) -> bytes:
        """The whole answer to a client that has the body already."""
        return b"".join((self._unchanged, _date(), _ENDING))


_KEPT = ("etag", "cache-control")
"""The headers that stay in a 304, in their order."""


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"{name}: {value}" for name, value in {**headers, **EVERY_ANSWER}.items()]
    lines = [f"HTTP/1.1 {status} ", *lines, "date: "]
    return "\r\n".join(lines).encode()


class _Date:
    second = 0
    text = b""


def _date() -> bytes:
    """The value of ``Date``, written anew each second."""
    now = int(time.time())
    if now != _Date.second:
        _Date.second, _Date.text = now, format_date_time(now).encode()
    return _Date.text


@attrs.frozen
class Made:
    """An answer that has just been made."""

    answer: Encoded
    live: bool = False
    """True if it has figures that change by themselves."""


@attrs.define(eq=False)
class _Kept:
    answer: Encoded
    version: Hashable
    until: float


@attrs.define(eq=False)
class _Making:
    version: Hashable
    done: trio.Event = attrs.field(factory=trio.Event)
    made: Made | None = None


class ReadyAnswers:
    """Keeps answers by key. Each is good for one version of what it tells of, and for a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        """The one that was asked for the longest ago comes first."""
        self._bytes = 0
        self._under_way: dict[Hashable, _Making] = {}

    def get(self, key: Hashable, version: Hashable) -> Encoded | None:
        """Return the answer for this version, if there is one."""
        kept = self._kept.get(key)
        if kept is None or kept.version != version or trio.current_time() >= kept.until:
            return None
        self._kept.move_to_end(key)
        return kept.answer

    async def make(
        self, key: Hashable, version_now: Callable[[], Hashable], make: Callable[[], Awaitable[Made | None]]
    ) -> Encoded | None:
        """Return an answer that is no older than this call; calls at the same time share one. None if ``make`` fails.

        If cancelled, calls that would have shared the answer return None.
        """
        while (making := self._under_way.get(key)) is not None and making.version != version_now():
            await making.done.wait()
        if making is None:
            making = await self._make(key, version_now, make)
        else:
            await making.done.wait()
        return None if making.made is None else making.made.answer

    async def _make(
        self, key: Hashable, version_now: Callable[[], Hashable], make: Callable[[], Awaitable[Made | None]]
    ) -> _Making:
        making = self._under_way[key] = _Making(version_now())
        try:
            making.made = await make()
        finally:
            del self._under_way[key]
            making.done.set()
        if making.made is not None and making.version == version_now():
            self._keep(key, making.version, making.made)
        return making

    def _keep(self, key: Hashable, version: Hashable, made: Made) -> None:
        if (before := self._kept.pop(key, None)) is not None:
            self._bytes -= before.answer.size
        self._kept[key] = _Kept(made.answer, version, trio.current_time() + (LIVE_S if made.live else KEPT_S))
        self._bytes += made.answer.size
        while self._bytes > MAX_BYTES or len(self._kept) > MAX_ANSWERS:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.answer.size
