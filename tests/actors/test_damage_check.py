"""The check of a whole database file for damage."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import trio

from kinora.actors.store import database
from kinora.actors.store.damage_check import find_damage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A large database that is sound."""
    path = tmp_path / "kinora.db"
    connection = database.open_writer(str(path))
    rows = ((1, index, bytes(1000)) for index in range(100_000))
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO frames VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()
    return path


async def test_a_sound_file_has_no_damage(path: Path) -> None:
    """None is found."""
    assert await find_damage(path) is None


async def test_a_check_that_is_cancelled_ends_as_cancelled(path: Path) -> None:
    """And not as an error of SQLite, whose statement is interrupted."""
    for step in range(20):
        with trio.move_on_after(step / 1000) as scope:
            await find_damage(path)
        assert scope.cancelled_caught


async def test_a_file_that_cannot_be_read_is_an_error_by_itself(path: Path) -> None:
    """Not one in a group, so that the caller can catch it."""
    with path.open("r+b") as file:
        file.seek(100)
        file.write(bytes(4000))
    with pytest.raises(sqlite3.DatabaseError):
        await find_damage(path)
