"""A copy of a source's video with the results drawn in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from kinora.actors.sources.source_finder import DEMO_SOURCE
from kinora.media.drawing import annotate
from kinora.media.messages import Skeletons
from kinora.media.network.url_access import is_url
from kinora.media.programs import demo_clip
from kinora.settings import Settings, source_limits


def annotate_source(
    source: str,
    settings: Settings,
    frames: Iterable[Mapping[str, Any]],
    out: Path,
    *,
    skeletons: Skeletons,
    progress: Callable[[int], object] = lambda _: None,
    note: Callable[[str], object] = lambda _: None,
) -> int:
    """Write the video ``out`` of a source, given by its name under these settings.

    All else, and what is raised, is as for :func:`kinora.media.drawing.annotate.annotate`.
    """
    if source == DEMO_SOURCE:
        location = str(demo_clip.ensure(settings.data_dir))
    else:
        location = source if is_url(source) else str(settings.media_dir / source)
    return annotate.annotate(
        location, frames, out, limits=source_limits(settings), skeletons=skeletons, progress=progress, note=note
    )
