"""The check of a whole database file for damage."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import trio

from kinora.actors.store import database
from kinora.actors.store.damage_check import find_damage


def make_database(path: Path, frames: int) -> None:
    """Write a database that is sound, with a thousand bytes for each frame."""
    connection = database.open_writer(str(path))
    rows = ((1, index, bytes(1000)) for index in range(frames))
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO frames VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose check takes a while, for tests that only read it."""
    path = tmp_path_factory.mktemp("large") / "kinora.db"
    make_database(path, 100_000)
    return path


async def test_a_sound_file_has_no_damage(large: Path) -> None:
    """None is found."""
    assert await find_damage(large) is None


async def test_a_check_that_is_cancelled_ends_as_cancelled(large: Path) -> None:
    """And not as an error of SQLite, whose statement is interrupted."""
    for step in range(20):
        with trio.move_on_after(step / 1000) as scope:
            await find_damage(large)
        assert scope.cancelled_caught


async def test_a_file_that_cannot_be_read_is_an_error_by_itself(tmp_path: Path) -> None:
    """Not one in a group, so that the caller can catch it."""
    make_database(path := tmp_path / "kinora.db", 10)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(bytes(4000))
    with pytest.raises(sqlite3.DatabaseError):
        await find_damage(path)
