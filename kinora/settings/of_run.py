"""The settings of runs in this process: their data in a temporary folder, their sources allowed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from kinora.actors.sources.source_finder import DEMO_SOURCE
from kinora.media.network.url_access import ANY_PUBLIC, SourceUrl, is_url
from kinora.media.source_names import is_watched
from kinora.runtime.files.temporary import FLOOR_BYTES
from kinora.settings.fields import MAX_WEBCAM, Settings


def settings_of_run(settings: Settings, folder: Path, plugin_files: Sequence[Path] = ()) -> Settings:
    """Settings that keep all data in ``folder`` and have these further plugin files, but nothing of servers."""
    return attrs.evolve(
        settings,
        data_dir=folder,
        min_free_bytes=min(settings.min_free_bytes, FLOOR_BYTES),
        plugin_files=(*settings.plugin_files, *plugin_files),
        jobs={},
        webhooks={},
    )


def is_path(source: str) -> bool:
    """True if the source is a file or folder: neither the demo nor a camera nor a URL."""
    return not (source == DEMO_SOURCE or is_watched(source) or is_url(source))


def allowing(settings: Settings, source: str | Path) -> tuple[Settings, str]:
    """Settings that allow the source, a path if it is a file or folder, and its name under them.

    Raises:
        SourceError: it is a URL that cannot be read.
    """
    if isinstance(source, Path):
        return attrs.evolve(settings, media_dir=source.parent, follow_links=True), source.name
    if is_url(source):
        return attrs.evolve(settings, url_hosts=(*settings.url_hosts, *hosts_of(source))), source
    return attrs.evolve(settings, webcams=tuple(range(MAX_WEBCAM + 1))), source


def hosts_of(url: str) -> tuple[str, ...]:
    """The hosts to allow: the URL's own, at any address, and public ones that it leads to.

    Raises:
        SourceError: the URL cannot be read.
    """
    return SourceUrl.parse(url).host, ANY_PUBLIC
