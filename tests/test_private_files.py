"""Other users of the machine: they can read nothing in the data folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinora.actors.access.local_token import write_secret
from kinora.runtime.files.private_files import make_private_folder
from kinora.serve import open_server
from kinora.settings import Settings, SettingsError
from tests.client_kit import Part, get, post, upload

REQUEST = b'{"plugins": ["quality"], "options": {"max_frames": 2}}'


def open_to_others(folder: Path) -> list[str]:
    """The folder and everything in it that someone else than its owner may do something with."""
    paths = [folder, *folder.rglob("*")]
    return [f"{path.relative_to(folder)}: {path.stat().st_mode:o}" for path in paths if path.stat().st_mode & 0o077]


@pytest.fixture(params=[0o000, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """A umask of the server's process."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


async def test_no_other_user_can_read_the_data(umask: int, settings: Settings, media: Path) -> None:
    """Folder, database, uploads and the bundled clip are the server's own user's, whatever the umask is."""
    async with open_server(settings) as server:
        clip = Part("file", (media / "clip.mp4").read_bytes(), "clip.mp4")
        uploaded = await upload(f"{server.url}/v1/jobs", [Part("request", REQUEST), clip])
        assert uploaded.status == 202
        demo = {"source": "demo:", "plugins": ["quality"], "options": {"max_frames": 2}}
        assert (await post(f"{server.url}/v1/jobs", demo)).status == 202
        for job in (await get(f"{server.url}/v1/jobs")).json()["jobs"]:
            await get(f"{server.url}/v1/jobs/{job['job_id']}", prefer="wait=60")
        names = {path.name for path in settings.data_dir.rglob("*")}
        assert {"lock", "kinora.db", "kinora.db-wal", "kinora.db-shm", "uploads", "demo.mp4"} <= names
        assert len([*(settings.data_dir / "uploads").iterdir()]) == 1
        assert open_to_others(settings.data_dir) == []


async def test_what_an_earlier_server_left_open_is_closed(settings: Settings) -> None:
    """A server closes its own files in the data folder that are open to others, and leaves files of others alone."""
    async with open_server(settings):
        pass
    (settings.data_dir / "uploads" / "earlier").write_bytes(b"a video")
    (settings.data_dir / "demo.mp4").write_bytes(b"a video")
    (settings.data_dir / "notes.txt").write_text("of the operator")
    for path in (settings.data_dir, *settings.data_dir.rglob("*")):
        path.chmod(0o777)
    async with open_server(settings):
        assert open_to_others(settings.data_dir) == ["notes.txt: 100777"]


async def test_a_link_in_the_uploads_is_not_followed(settings: Settings, media: Path) -> None:
    """The file behind a link in the folder of uploads keeps its mode."""
    (settings.data_dir / "uploads").mkdir(parents=True)
    (settings.data_dir / "uploads" / "link").symlink_to(media / "clip.mp4")
    (media / "clip.mp4").chmod(0o644)
    async with open_server(settings):
        assert (media / "clip.mp4").stat().st_mode & 0o777 == 0o644


async def test_annotated_videos_are_private(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A video made on request is the server's own user's, as are the frames it is made from."""
    made: list[str] = []
    unlink = os.unlink

    def note(path: str, **options: int) -> None:
        folder_fd = options.get("dir_fd")
        mode = os.stat(path, dir_fd=folder_fd).st_mode
        if str(path).endswith((".mp4", ".ndjson")):
            made.append(f"{Path(path).name}: {mode & 0o777:o}")
        unlink(path, dir_fd=folder_fd)

    async with open_server(settings) as server:
        job = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["quality"]})
        where = f"{server.url}/v1/jobs/{job.json()['job_id']}"
        while (await get(f"{where}/extended", prefer="wait=10")).json()["status"] != "done":
            pass
        monkeypatch.setattr(os, "unlink", note)
        assert (await get(f"{where}/annotated.mp4")).status == 200
    assert sorted(made) == ["annotated.mp4: 600", "frames.ndjson: 600"]


def test_a_shared_folder_stays_shared(tmp_path: Path) -> None:
    """A data folder with the sticky bit, as /tmp has it, keeps its mode: others need it too."""
    tmp_path.chmod(0o1777)
    make_private_folder(tmp_path)
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


@pytest.mark.parametrize("name", ["token", "kinora.db", "reserve", "lock", "uploads"])
async def test_in_a_shared_folder_what_others_have_put_there_is_not_used(
    name: str, settings: Settings, tmp_path: Path
) -> None:
    """A link in the place of one of its files may lead the server to any file of its user's."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    settings.data_dir.mkdir()
    settings.data_dir.chmod(0o1777)
    (settings.data_dir / name).symlink_to(victim)
    with pytest.raises(SettingsError, match=f"{name} is a link or another user's file.*--data-dir"):
        async with open_server(settings):
            pass
    assert victim.read_text() == "precious"


async def test_a_shared_folder_of_ones_own_files_can_be_used_again(settings: Settings) -> None:
    """What the server itself has put there is its user's."""
    settings.data_dir.mkdir()
    settings.data_dir.chmod(0o1777)
    for _ in range(2):
        async with open_server(settings) as server:
            assert (await get(f"{server.url}/v1/jobs")).status == 200


def test_the_local_token_is_not_written_into_a_file_of_others(tmp_path: Path) -> None:
    """What was there before, a link too, is replaced; another user who has it open reads nothing."""
    victim, part, file = tmp_path / "victim", tmp_path / ".token.part", tmp_path / "token"
    victim.write_text("precious")
    part.symlink_to(victim)
    write_secret(file, "kin_1")
    part.write_text("")
    with part.open() as opened:
        write_secret(file, "kin_2")
        assert opened.read() == ""
    assert (victim.read_text(), file.read_text(), file.is_symlink()) == ("precious", "kin_2\n", False)
