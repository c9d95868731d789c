"""``kinora download``: what a job of a server has found, as files."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import click
import trio

from kinora.actors.models import ENDED
from kinora.cli.client.client_flags import of_client
from kinora.cli.client.short_ids import whole_id
from kinora.cli.exits import Failed, Misuse
from kinora.cli.flags import options
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import print_json, print_line
from kinora.client import KinoraClient
from kinora.client.http import Write
from kinora.media.files.part_file import part_file
from kinora.printable import printable

STDOUT = Path("-")
FRAME_TYPES = {".jsonl": "application/x-ndjson", ".ndjson": "application/x-ndjson", ".csv": "text/csv"}
"""Ending of a file of frames → the media type of its content."""
VIDEO_ENDING = ".mp4"
Fetch = Callable[[Write], Awaitable[None]]
"""Asks the server for something, and hands what comes to the function given."""


@click.command
@options.job_id
@click.option(
    "--frames",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Each frame's results: .jsonl or .ndjson for a JSON line each, .csv for a table; - is JSON lines on stdout.",
)
@click.option(
    "--video", type=click.Path(path_type=Path), metavar="FILE", help="The frames as .mp4, with what was found drawn in."
)
@of_client
@options.as_json
def download(job_id: str, frames: Path | None, video: Path | None, client: KinoraClient, as_json: bool) -> None:
    """Download what a job of a server has found, so far if it still runs: --frames, --video, or both.

    A file is there only once it is complete; one of that name is replaced.
    """
    if frames is None and video is None:
        raise Misuse("Say what to download: --frames results.jsonl, --video annotated.mp4, or both")
    if as_json and frames == STDOUT:
        raise Misuse("--json and --frames - both write to stdout: give --frames a file")
    frame_type = _frame_type(frames)
    if video is not None and video.suffix.lower() != VIDEO_ENDING:
        raise Misuse(f"--video {video}: the video is an MP4: give it a name that ends in {VIDEO_ENDING}")
    answer = run_interruptible(partial(_download, client, job_id, frames, frame_type, video))
    if as_json:
        print_json(answer)


def _frame_type(frames: Path | None) -> str:
    """The media type of the content that this file is to have."""
    if frames is None or frames == STDOUT:
        return FRAME_TYPES[".jsonl"]
    if (found := FRAME_TYPES.get(frames.suffix.lower())) is None:
        raise Misuse(f"--frames {frames}: give it a name that ends in {', '.join(FRAME_TYPES)}, or - for stdout")
    return found


async def _download(
    client: KinoraClient, given: str, frames: Path | None, frame_type: str, video: Path | None
) -> dict[str, Any]:
    job_id = await whole_id(client, given)
    state = await client.extended(job_id, limit=0)
    if state["status"] not in ENDED:
        print_line(f"{job_id} is {state['status']}: this is what there is so far", file="stderr")
    files = []
    if frames is not None:
        files.append(await fetch_to(partial(client.download_frames, job_id, frame_type), frames))
    if video is not None:
        files.append(await fetch_to(partial(client.download_video, job_id), video))
    return {"job_id": job_id, "status": state["status"], "files": files}


async def fetch_to(fetch: Fetch, path: Path) -> dict[str, Any]:
    """Write what comes to the file, or to stdout for ``-``, tell it on stderr, and return its name and size."""
    size = 0
    with _opened(path) as file:

        async def write(data: bytes) -> None:
            nonlocal size
            size += len(data)
            await trio.to_thread.run_sync(file.write, data)

        with _waiting(path):
            await fetch(write)
    if path != STDOUT:
        print_line(f"{path}: {size:,} bytes", file="stderr")
    return {"path": str(path), "bytes": size}


def _waiting(path: Path) -> AbstractContextManager[object]:
    """A sign of life on a terminal: a video is made first, which takes a while."""
    if path == STDOUT or not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console  # noqa: PLC0415 - only for a terminal
    from rich.text import Text  # noqa: PLC0415 - only for a terminal

    return Console(stderr=True).status(Text(f"{printable(str(path))}: waiting for the server"))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file to write to: another one that becomes ``path`` at the end, or stdout."""
    if path == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with part_file(path) as part, part.open("wb") as file:
            yield file
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror or error}") from error
