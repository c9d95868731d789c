"""Text of others, such as file names and plugins' messages, made safe to print: it cannot steer a terminal."""

from __future__ import annotations

import re

_CONTROLS = "\x00-\x1f\x7f-\x9f"
_LINES = "\u2028\u2029"
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SURROGATES = "\ud800-\udfff"  # in names of files that are not UTF-8; they cannot be encoded
_NO_CHARACTERS = "\ufffe\uffff"  # Unicode has none there, and XML refuses them
_ALL = f"{_CONTROLS}{_LINES}{_BIDI}{_SURROGATES}{_NO_CHARACTERS}"

_unsafe = re.compile(f"[{_ALL}]")
_unsafe_in_lines = re.compile(f"(?![\n\t])[{_ALL}]")


def printable(text: str) -> str:
    r"""Return ``text`` as one line, its control characters as Python writes them: ``\x1b``, ``\n``, ``\u202e``.

    Control characters are C0, DEL, C1, line separators, marks that change the direction of writing, surrogates, and
    the two numbers below 2**16 that are no character.
    """
    return _unsafe.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """Like :func:`printable`, but newlines and tabs stay."""
    return _unsafe_in_lines.sub(_escaped, text)


def printable_json(document: str) -> str:
    r"""Return the same JSON document with the control characters in its strings as ``\u009b``."""
    return _unsafe_in_lines.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
