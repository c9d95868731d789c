"""The names that files of a job's results have when a browser saves them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

MAX_STEM = 80
"""The most characters of a source's name; the rest is left out."""
FALLBACK = "kinora"
"""The name where a source has none."""


def attachment(source: str, job_id: str, extension: str) -> str:
    """Return the Content-Disposition of a file: it is named after the job's source and the beginning of its id.

    A name that is not ASCII comes in both forms of RFC 6266, for old clients with ``_`` for other characters.
    """
    name = f"{_stem(source)}-{job_id[:8]}.{extension}"
    plain = re.sub(r"[^\x20-\x7e]", "_", name)
    disposition = f'attachment; filename="{plain}"'
    return disposition if plain == name else f"{disposition}; filename*=UTF-8''{quote(name)}"


def _stem(source: str) -> str:
    path = unquote(urlsplit(source).path) if "://" in source else source.rstrip(":")
    stem = re.sub(r"[^\w ().-]+", "_", PurePosixPath(path).stem)[:MAX_STEM]
    return stem if re.search(r"[^\W_]", stem) else FALLBACK
