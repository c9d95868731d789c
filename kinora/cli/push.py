"""``kinora push``: send the pictures of a folder, or what a program writes, into a job of a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import trio

from kinora.cli.client.client_flags import of_client
from kinora.cli.client.short_ids import whole_id
from kinora.cli.exits import Failed, Misuse
from kinora.cli.flags import options
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import counted, print_line
from kinora.client import KinoraClient, Pushing
from kinora.media.images.folder_list import in_natural_order
from kinora.media.images.jpeg_row import read_jpegs

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
"""Files of a folder with other names are passed over."""
FPS = 25.0
"""The pace of a folder's pictures, unless the job takes every one in its own time."""
STDIN = "-"
NOTHING_CAME = (
    "No picture was pushed, since no picture came on the standard input: see what the program that should write them"
    " says, and try again. The job waits for another client for a while"
)


@click.command
@options.job_id
@click.argument("pictures", metavar="FOLDER|-")
@click.option("--fps", type=click.FloatRange(0.01, 1000), help="Pictures a second at most.")
@click.option("--timestamps", is_flag=True, help="Send the time of each picture: by --fps, or when it was read from -.")
@of_client
def push(job_id: str, pictures: str, fps: float | None, timestamps: bool, client: KinoraClient) -> None:
    """Push pictures into a job of a server that was started with the source push:.

    FOLDER has JPEG, PNG or WebP pictures, which are sent in the order of their names: 25 a second, or as fast as they
    are processed if the job has --policy wait. With - JPEGs are read from the standard input, one behind the other, as
    `ffmpeg … -f mjpeg -` writes them. A lost connection is opened again, and no picture is lost. At the end of the
    pictures the job ends.
    """
    run_interruptible(partial(_push, client, job_id, pictures, fps, timestamps=timestamps))


async def _push(client: KinoraClient, given: str, pictures: str, fps: float | None, *, timestamps: bool) -> None:
    found = _from_stdin() if pictures == STDIN else _from_folder(Path(pictures))
    job_id = await whole_id(client, given)
    if fps is None and pictures != STDIN:
        policy = (await client.extended(job_id, limit=0))["options"]["policy"]
        fps = None if policy == "wait" else FPS
    async with client.push(job_id, timestamps=timestamps) as pushing:
        count = await _send(pushing, found, fps, live=pictures == STDIN, timestamps=timestamps)
        if count == 0:  # leaving by an exception lets the job wait for another client
            raise Failed(NOTHING_CAME)
    print_line(f"{counted(count, 'picture')} pushed, {pushing.ack.dropped} dropped")


async def _send(pushing: Pushing, pictures: Iterator[bytes], fps: float | None, *, live: bool, timestamps: bool) -> int:
    """Send the pictures, and return their number."""
    count, began = 0, trio.current_time()
    while (picture := await trio.to_thread.run_sync(next, pictures, None, abandon_on_cancel=True)) is not None:
        if fps is not None:
            await trio.sleep_until(began + count / fps)
        at_s = trio.current_time() - began if live else count / (fps or FPS)
        await pushing.send(picture, round(at_s * 1e6) if timestamps else None)
        count += 1
    return count


def _from_folder(folder: Path) -> Iterator[bytes]:
    try:
        names = [path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    except OSError as error:
        hint = f"; push a video by `ffmpeg -i {folder} -f mjpeg - | kinora push JOB -`" if folder.is_file() else ""
        raise Misuse(f"{folder} cannot be read as a folder: {error.strerror}{hint}") from error
    if not names:
        raise Misuse(f"{folder} has no pictures: their names must end in {', '.join(sorted(SUFFIXES))}")
    return ((folder / name).read_bytes() for name in in_natural_order(names))


def _from_stdin() -> Iterator[bytes]:
    unbuffered = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115 - gives what there is
    return read_jpegs("the standard input", unbuffered)
