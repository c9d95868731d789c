"""A backup of the data folder of a running server, made as docs/operations.md says, is a data folder."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import attrs
import trio

from kinora.serve import open_server
from kinora.settings import Settings
from tests.client_kit import Part, get, upload

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
REQUEST = json.dumps({"plugins": ["motion"]}).encode()


def back_up(data: Path, backup: Path) -> None:
    """Do what the page says: the statement for the database, then the uploads."""
    found = re.search(r"VACUUM INTO '/backup/kinora\.db'", PAGE)
    assert found is not None
    backup.mkdir()
    with closing(sqlite3.connect(data / "kinora.db")) as connection:
        connection.execute(found[0].replace("/backup", str(backup)))
    shutil.copytree(data / "uploads", backup / "uploads")


async def test_a_backup_has_what_was_there(settings: Settings, media: Path, tmp_path: Path) -> None:
    """Jobs, frames and uploads; the server goes on meanwhile, and what comes later is not in the backup."""
    clip = await trio.Path(media / "clip.mp4").read_bytes()
    parts = [Part("request", REQUEST), Part("file", clip, "mine.mp4")]
    async with open_server(settings) as server:
        first = (await upload(f"{server.url}/v1/jobs", parts)).headers["location"]
        while (await get(f"{server.url}{first}/extended?limit=0", prefer="wait=5")).json()["status"] != "done":
            pass
        await trio.to_thread.run_sync(back_up, settings.data_dir, tmp_path / "backup")
        later = (await upload(f"{server.url}/v1/jobs", parts)).headers["location"]
        assert (await get(f"{server.url}{later}")).status == 200
    async with open_server(attrs.evolve(settings, data_dir=tmp_path / "backup")) as server:
        assert len((await get(f"{server.url}{first}")).json()["frames"]) == 30
        assert (await get(f"{server.url}{first}/frames/3.jpg")).status == 200
        assert (await get(f"{server.url}{later}")).status == 404
