"""The one way to write a job's id."""

from __future__ import annotations

import re

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def canonical_job_id(text: str) -> str:
    """Return ``text`` in lower case if it is a UUID, which may be given in either (RFC 9562 §4), else unchanged."""
    return text.lower() if _UUID.fullmatch(text) else text
