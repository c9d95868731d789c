"""Lets a test file's reads go both ways: by the reading lane, as they are, and by the app; the answers must agree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import client_kit
from tests.client_kit import Answer

_READS = re.compile(r"/v1/(?:health|ready|jobs(?:/[^/]+(?:/extended|/frames)?)?)")
_BY_APP = {"x-by-app": "1"}
"""A header that the lane does not know."""
ATTEMPTS = 5
"""Between two answers a job may have gone on: then both are asked for again, so many times at most."""


@pytest.fixture
def both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare all reads of ``tests.client_kit`` that the lane may answer, header by header."""
    plain = client_kit.ask

    async def ask(url: str, method: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        answer = await plain(url, method, headers, body)
        if method != "GET" or not _may_go_by_lane(url) or "prefer" in (headers or {}):
            return answer
        first = answer
        for _ in range(ATTEMPTS):
            other = await plain(url, method, {**(headers or {}), **_BY_APP})
            if _facts(answer) == _facts(other):
                return first
            answer = await plain(url, method, headers)
        ended_meanwhile = _facts(answer) == _facts(other)  # this answer came after the last other one
        goes_on = _facts(answer) != _facts(first) or _still_runs(other)
        assert ended_meanwhile or goes_on, (_facts(answer), _facts(other))
        assert [*answer.headers] == [*other.headers]
        assert answer.status == other.status
        return first

    monkeypatch.setattr(client_kit, "ask", ask)


def _may_go_by_lane(url: str) -> bool:
    asked = urlsplit(url)
    return _READS.fullmatch(asked.path) is not None and not asked.query.startswith("details=")


def _facts(answer: Answer) -> Any:
    headers = [(name, value) for name, value in answer.headers.items() if name != "date"]
    return answer.status, headers, answer.body


def _still_runs(answer: Answer) -> bool:
    """True if the answer is about a job with figures that change by themselves."""
    return b'"finished_at":null' in answer.body
