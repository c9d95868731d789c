"""What a killed server leaves in the data folder: uploads that no job names, and videos that were not finished."""

from __future__ import annotations

import re
import shutil
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path

import structlog
import trio

from kinora.actors.pictures.annotated_videos import FILES
from kinora.actors.store.store import Store, StoreFailing
from kinora.runtime.actor import ActorGone

_UPLOAD = re.compile(r"[0-9a-f]{32}")
_DEMO_PART = re.compile(r"\.demo\.mp4(\.[0-9a-f]+)?\.part")
log = structlog.get_logger()


async def remove_leftovers(store: Store, data_dir: Path, uploads: Path) -> None:
    """Remove what an earlier server left. Nothing may be uploaded and no video may be made meanwhile.

    Files and folders that Kinora does not make itself stay, and links are not followed. If the store cannot tell which
    uploads belong to jobs, or a folder cannot be read, everything stays until the next start.
    """
    try:
        named = {Path(upload).name for upload in await store.uploads()}
    except (StoreFailing, ActorGone) as error:
        log.warning("what an earlier server left was not looked for", reason=str(error))
        return
    try:
        await trio.to_thread.run_sync(_remove, data_dir, uploads, named)
    except OSError as error:  # such as a folder that is gone, which the store tells
        log.warning("what an earlier server left was not removed", reason=str(error))


def _remove(data_dir: Path, uploads: Path, named: Container[str]) -> None:
    for path in _lost_uploads(uploads, named):
        with suppress(OSError):
            path.unlink()
            log.info("removed an upload that no job names", path=str(path))
    for path in _lost_parts(data_dir):
        with suppress(OSError):
            path.unlink()
            log.info("removed a demo clip that was not finished", path=str(path))
    for folder in _lost_videos(data_dir):
        shutil.rmtree(folder, ignore_errors=True)
        log.info("removed a video that was not finished", path=str(folder))


def _lost_uploads(uploads: Path, named: Container[str]) -> Iterator[Path]:
    for path in uploads.iterdir():
        if _UPLOAD.fullmatch(path.name) and path.name not in named and path.is_file() and not path.is_symlink():
            yield path


def _lost_videos(data_dir: Path) -> Iterator[Path]:
    for path in data_dir.glob("video-*"):
        if path.is_dir() and not path.is_symlink() and all(FILES.fullmatch(entry.name) for entry in path.iterdir()):
            yield path


def _lost_parts(data_dir: Path) -> Iterator[Path]:
    for path in data_dir.glob(".demo.mp4*"):
        if _DEMO_PART.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            yield path
