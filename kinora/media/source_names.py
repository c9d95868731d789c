"""The names of sources as they may stand in the log."""

from __future__ import annotations


def without_query(source: str) -> str:
    """The name of a source; of a URL without its query and fragment, where cameras and stores have their tokens."""
    if "://" not in source:
        return source
    for mark in "?#":
        head, found, _ = source.partition(mark)
        source = f"{head}{mark}…" if found else source
    return source


def without_query_of(source: str, text: str) -> str:
    """A text about a source, with its name as :func:`without_query` gives it."""
    return text.replace(source, without_query(source)) if source else text
