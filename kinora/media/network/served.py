"""Files that a program reads from its own server instead of its disk. Light to import."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Served:
    """Where a server gives a file, and what it wants to see for it. Its text shows neither."""

    url: str = attrs.field(repr=False)
    token: str | None = attrs.field(default=None, repr=False)
    ca_file: str | None = None
    """A file of certificates that are trusted beside the system's; None for no others."""
