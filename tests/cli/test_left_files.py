"""What commands that were killed have left is removed, and nothing else; a database that cannot be used is told."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import trio

from kinora.actors.store import database
from kinora.media.files.part_file import part_file
from kinora.runtime.files import temporary

SAFETY_S = 120.0
"""Far more than any of it takes on a busy machine."""


@pytest.fixture
def temporary_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, of this test and the commands it starts."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    tempfile.tempdir = None


def _kept(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def _marked(root: Path) -> bool:
    return any(root.glob(f"kinora-*/{temporary.MARK}"))


async def test_the_folder_of_a_killed_run_goes_with_the_next(temporary_root: Path, media: Path) -> None:
    """A run that was killed leaves its folder; the next command deletes it."""
    command = [sys.executable, "-m", "kinora", "run", str(media / "clip.mp4"), "-p", "motion"]
    with trio.fail_after(SAFETY_S):
        async with trio.open_nursery() as nursery:
            run: trio.Process = await nursery.start(partial(trio.run_process, command, check=False))
            while not _marked(temporary_root):  # noqa: ASYNC110 - nothing tells when it is so
                await trio.sleep(0.01)
            run.send_signal(signal.SIGKILL)
        assert len(_kept(temporary_root)) == 1
        await trio.run_process([*command, "--max-frames", "1"], capture_stdout=True)
    assert _kept(temporary_root) == set()


def test_only_left_folders_are_removed(temporary_root: Path, tmp_path: Path) -> None:
    """The folder of a command that runs stays; so do a data folder, one of another name, and what a link leads to."""
    left, precious = temporary_root / "kinora-abcd1234", tmp_path / "kinora-precious"
    data, other = temporary_root / "kinora-data1234", temporary_root / "kinora-of-mine"
    for folder in (left, precious, data, other):
        folder.mkdir()
        (folder / "file").touch()
        (folder / (temporary.MARK if folder != data else "lock")).touch()
    (temporary_root / "kinora-linked12").symlink_to(precious)
    with temporary.temporary_folder() as first, temporary.temporary_folder() as second:
        assert first.exists()
        assert second.exists()
        assert not left.exists()
    assert _kept(temporary_root) == {"kinora-data1234", "kinora-of-mine", "kinora-linked12"}
    assert (precious / "file").exists()


def test_the_part_files_of_killed_runs_are_removed(tmp_path: Path) -> None:
    """Those of the same output go, unless their process runs; the output appears whole, or not at all."""
    out, busy = tmp_path / "a[1].mp4", tmp_path / ".a[1].mp4.00000001.part"
    left = [tmp_path / ".a[1].mp4.part", tmp_path / ".a[1].mp4.00000002.part"]
    others = [tmp_path / ".a1.mp4.00000003.part", tmp_path / ".a[1].mp4.txt.part"]
    for path in (busy, *left, *others):
        path.write_text("x")
    with busy.open("rb") as running:
        fcntl.flock(running, fcntl.LOCK_EX)
        with part_file(out) as part:
            assert not any(path.exists() for path in left)
            part.write_text("whole")
    assert out.read_text() == "whole"
    with pytest.raises(ValueError, match="half"):
        _write_half(out)
    assert out.read_text() == "whole"
    assert _kept(tmp_path) == {out.name, *(path.name for path in others)}


def _write_half(out: Path) -> None:
    with part_file(out) as part:
        part.write_text("half")
        raise ValueError("half")


def _half(path: Path) -> None:
    with closing(database.open_writer(str(path))) as writer:
        writer.execute("CREATE TABLE filler (data BLOB)")
        writer.execute("INSERT INTO filler VALUES (zeroblob(200000))")
    os.truncate(path, path.stat().st_size // 8192 * 4096)


def _garbage(path: Path) -> None:
    path.write_bytes(b"rubbish!" * 2000)


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")


async def test_a_database_that_cannot_be_used_is_said_in_a_sentence(tmp_path: Path) -> None:
    """Garbage, half a file, one of a newer version and a folder: one line on stderr, exit code 1."""
    kinds: dict[str, Callable[[Path], None]] = {
        "garbage": _garbage,
        "half": _half,
        "newer": _newer,
        "folder": Path.mkdir,
    }
    told: dict[str, tuple[int, list[str]]] = {}

    async def serve(kind: str, folder: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "kinora",
            "serve",
            "--port",
            "0",
            "--data-dir",
            str(folder),
            "--log-level",
            "error",
        ]
        ended = await trio.run_process(command, check=False, capture_stderr=True)
        told[kind] = (ended.returncode, ended.stderr.decode().splitlines())

    with trio.fail_after(SAFETY_S):
        async with trio.open_nursery() as nursery:
            for kind, make in kinds.items():
                folder = tmp_path / kind
                folder.mkdir()
                make(folder / "kinora.db")
                nursery.start_soon(serve, kind, folder)
    for kind, (status, lines) in told.items():
        assert (status, len(lines)) == (1, 1), (kind, lines)
        assert str(tmp_path / kind / "kinora.db") in lines[0]
