"""Names what was probably meant by a path that leads nowhere."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice

from kinora.nearest import nearest
from kinora.runtime.files.home_paths import in_home

MAX_NEIGHBOURS = 10_000
"""The most files of a folder that are compared; those beyond it, in the folder's own order, are not."""


def no_such_path(what: str, written: str, *others: str) -> str:
    """A sentence without its full stop: there is no ``what``, and the nearest name beside it. Blocks.

    A path without a folder is compared with ``others`` too, words that may stand in place of a path.
    """
    path = in_home(written)
    folder = written.rstrip("/").removesuffix(path.name)
    names = [] if folder else list(others)
    with suppress(OSError):  # a folder that cannot be read has nothing to suggest
        names += [file.name for file in islice(path.parent.iterdir(), MAX_NEIGHBOURS)]
    names = [name for name in names if name != path.name]  # a link that leads nowhere is there
    return f"There is no {what} {written}{nearest(path.name, names, prefix=folder)}"
