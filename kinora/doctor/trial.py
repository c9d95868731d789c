"""One picture goes the whole way: decoder, plugin, store; in worker processes, as in a server."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import attrs

from kinora.actors.models import JobState
from kinora.actors.requests.job_request import parse_job_request
from kinora.doctor.cameras import try_cameras
from kinora.doctor.finding import Finding, failed, ok, warning
from kinora.doctor.standing import check_standing_jobs
from kinora.settings import Settings
from kinora.system import System, open_system

PLUGIN = "motion"
PICTURE = "doctor.png"
OF_EXTRA = "pip install 'kinora["
"""What plugins say that come with Kinora, while what they need is an extra that is not installed."""
SIDE = 64
"""The width and the height of the picture, in pixels."""


async def check_a_frame(settings: Settings, folder: Path) -> list[Finding]:
    """Run a job on a picture with all data in ``folder``; tell of the plugins that were found, and try the cameras.

    If cancelled, all processes have ended and the folder has files left.
    """
    (folder / PICTURE).write_bytes(picture())
    given = settings
    settings = attrs.evolve(
        settings, data_dir=folder, media_dir=folder, realtime=False, min_free_bytes=0, jobs={}, webhooks={}
    )
    began = time.monotonic()
    async with open_system(settings) as system:
        state = await _run(system)
        took_s = time.monotonic() - began
        return [
            _verdict(state, took_s),
            *_plugins(system),
            *await check_standing_jobs(given, system),
            *await try_cameras(given, system),
        ]


async def _run(system: System) -> JobState:
    submitted = await system.jobs.submit(parse_job_request({"source": PICTURE, "plugins": [PLUGIN]}))
    state = submitted.state
    while not state.ended:
        state = await system.jobs.wait_changed(state.job_id, state)
    return state


def _verdict(state: JobState, took_s: float) -> Finding:
    if state.status != "done" or state.frames_done != 1 or state.warnings:
        reason = state.error or " ".join(state.warnings)
        return failed("a frame", f"a job on one picture is {state.status}: {reason}", "see the lines of the log above")
    return ok("a frame", f"one went through a decoder, {PLUGIN} and the store; with the start that took {took_s:.1f} s")


def _plugins(system: System) -> Iterator[Finding]:
    entries = system.plugins.all()
    if works := [entry.name for entry in entries if not entry.broken]:
        yield ok("plugins", ", ".join(works))
    for entry in entries:
        if entry.broken and OF_EXTRA in entry.broken:
            yield ok("plugins", f"without {entry.name}: {entry.broken}")
        elif entry.broken:
            yield warning("plugins", f"{entry.name}: {entry.broken}", f"see kinora plugins show {entry.name}")


def picture() -> bytes:
    """A grey PNG of ``SIDE`` by ``SIDE`` pixels."""
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\x80" * SIDE) * SIDE)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
