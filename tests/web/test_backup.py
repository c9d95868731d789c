"""A backup of the data folder of a running server, made as docs/operations.md says, is a data folder."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import trio

from kinora.serve import open_server
from kinora.settings import Settings
from tests.client_kit import Part, get, upload
from tests.docs.reader import Reader
from tests.docs.snippets import DOCS, snippets

PAGE = DOCS / "operations.md"
REQUEST = json.dumps({"plugins": ["motion"]}).encode()


async def back_up(folder: Path, data: Path) -> None:
    """Do what the page says, in ``folder``."""
    [block] = [each for each in snippets(PAGE) if "VACUUM INTO" in each.text]
    await trio.to_thread.run_sync(Reader(folder, "", data).follow, [block])


async def test_a_backup_has_what_was_there(settings: Settings, media: Path, tmp_path: Path) -> None:
    """Jobs, frames and uploads; the server goes on meanwhile, and what comes later is not in the backup."""
    clip = await trio.Path(media / "clip.mp4").read_bytes()
    parts = [Part("request", REQUEST), Part("file", clip, "mine.mp4")]
    async with open_server(settings) as server:
        first = (await upload(f"{server.url}/v1/jobs", parts)).headers["location"]
        while (await get(f"{server.url}{first}/extended?limit=0", prefer="wait=5")).json()["status"] != "done":
            pass
        await back_up(tmp_path, settings.data_dir)
        later = (await upload(f"{server.url}/v1/jobs", parts)).headers["location"]
        assert (await get(f"{server.url}{later}")).status == 200
    async with open_server(attrs.evolve(settings, data_dir=tmp_path / "backup")) as server:
        assert len((await get(f"{server.url}{first}")).json()["frames"]) == 30
        assert (await get(f"{server.url}{first}/frames/3.jpg")).status == 200
        assert (await get(f"{server.url}{later}")).status == 404
