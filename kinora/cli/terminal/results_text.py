"""Results of plugins, which are JSON of any shape, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

WIDTH = 78
"""The most characters of a line: one of 80 with an indent."""
DEPTH = 3
"""The levels that are taken apart; what lies deeper is one line of JSON."""


def result_lines(result: object) -> list[str]:
    """The members of ``result``, each as one line of JSON, or taken apart if it is longer than a line."""
    return list(_lines(result, ""))


def cut(text: str, end: str = " …") -> str:
    """The text, or its begin and ``end`` if it is longer than a line."""
    return text if len(text) <= WIDTH else text[: WIDTH - len(end)] + end


def _lines(value: object, indent: str) -> Iterator[str]:
    members = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        name = f"{indent}{key}:" if isinstance(value, Mapping) else f"{indent}-"
        text = f"{name} {msgspec.json.encode(member).decode()}"
        if len(text) > WIDTH and _has_parts(member) and len(indent) < 2 * (DEPTH - 1):
            yield name
            yield from _lines(member, f"{indent}  ")
        else:
            yield cut(text, f" … {len(member):,} in all" if isinstance(member, list) else " …")


def _has_parts(value: object) -> bool:
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return isinstance(value, Mapping) or any(isinstance(part, Mapping | list) for part in parts)
