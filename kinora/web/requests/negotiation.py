"""The choice of a media type by the client's ``Accept``, see RFC 9110 §12.5.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quart import request
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from kinora.web.problems import Problem

VARY = {"vary": "Accept"}
"""The header of every answer that depends on ``Accept``."""


def preferred_type(offered: Sequence[str]) -> str:
    """The type in ``offered`` that the client likes best; of equal ones the first. Parameters are not compared.

    Raises:
        Problem: 406 if the client takes none of them.
    """
    header = ", ".join(request.headers.getlist("Accept"))
    if not header.strip():
        return offered[0]
    ranges = _ranges(header)
    best = max(offered, key=lambda media_type: _quality(ranges, media_type))
    if not _quality(ranges, best):
        raise Problem(406, f"This address gives {', '.join(offered)}: name one of them in Accept.", headers=VARY)
    return best


def _ranges(header: str) -> Mapping[str, float]:
    """Media range → quality; of a repeated one, the highest."""
    ranges: dict[str, float] = {}
    for item, quality in parse_accept_header(header, Accept):
        name = item.partition(";")[0].strip().lower()
        name = "*/*" if name == "*" else name  # as old Java clients write it
        ranges[name] = max(quality, ranges.get(name, 0.0))
    return ranges


def _quality(ranges: Mapping[str, float], media_type: str) -> float:
    """The quality of a type by the most specific range that holds it."""
    family = media_type.partition("/")[0] + "/*"
    return next((ranges[name] for name in (media_type, family, "*/*") if name in ranges), 0.0)
