"""Behind a real nginx with TLS, as docs/proxy.md configures it, with the path taken off and left."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import attrs
import pytest

from kinora.client import KinoraClient, connect
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.authority import Authority
from tests.client_kit import events, get, post
from tests.jobs_kit import CLIP_FRAMES
from tests.web.test_starting import free_port

PAGE = Path(__file__).parents[2] / "docs" / "proxy.md"
UPSTREAM = "proxy_pass http://127.0.0.1:8000"
MAIN = """
user root root;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {inner}
}}
"""
MB = 2**20


def documented(changes: dict[str, str]) -> str:
    """The configuration of the page, with other ports and files."""
    text = PAGE.read_text(encoding="utf-8").partition("```nginx\n")[2].partition("```")[0]
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@contextmanager
def nginx(folder: Path, inner: str) -> Iterator[None]:
    """An nginx that listens while the block runs."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "These tests need nginx: apt-get install nginx-light, or make nginx."
    config = folder / "nginx.conf"
    config.write_text(MAIN.format(folder=folder, inner=inner))
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)  # it listens when the command has ended
    try:
        yield
    finally:
        subprocess.run([*command, "-s", "stop"], check=True, stderr=subprocess.DEVNULL)


@asynccontextmanager
async def behind_nginx(settings: Settings, authority: Authority, folder: Path, to: str) -> AsyncIterator[str]:
    """A server behind nginx; gives the address that clients use."""
    port = free_port()
    told = attrs.evolve(settings, root_path="/kinora", trusted_proxies=("127.0.0.1",), allowed_hosts=("localhost",))
    async with open_server(told) as server:
        changes = {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/ssl/cam.example.pem": str(authority.server),
            "/etc/ssl/cam.example.key": str(authority.server),
            UPSTREAM: to.format(port=_port(server)),
        }
        with nginx(folder, documented(changes)):
            yield f"https://localhost:{port}/kinora"


def _port(server: RunningServer) -> str:
    return server.url.rpartition(":")[2]


@pytest.mark.parametrize(
    "to",
    ["proxy_pass http://127.0.0.1:{port}", "proxy_pass http://127.0.0.1:{port}/"],
    ids=["the path is left", "the path is taken off"],
)
async def test_everything_passes_nginx(
    settings: Settings, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    """An upload, the WebSocket, an event stream as it comes, the page and its origin, through TLS and under a path."""
    (folder := tmp_path / "nginx").mkdir()
    authority = Authority(folder)
    monkeypatch.setenv("KINORA_CA_FILE", str(authority.ca_file))
    clip = media / "large.mp4"
    clip.write_bytes((media / "clip.mp4").read_bytes() + (6 * MB).to_bytes(4) + b"free" + bytes(6 * MB - 8))
    async with behind_nginx(settings, authority, folder, to) as url:
        client = KinoraClient(url)
        submitted = await client.upload(clip, {"plugins": ["motion"]})
        kinds = []
        async with connect(url, last_event_id=submitted.last_event_id) as realtime:
            async for message in realtime:
                kinds.append(message.type)
                if message.type == "complete":
                    break
        assert kinds.count("frame") == CLIP_FRAMES
        assert len(await client.frames(submitted.job_id, limit=100)) == CLIP_FRAMES
        async with events(f"{url}/v1/realtime?types=complete", last_event_id=str(submitted.last_event_id)) as stream:
            async for event in stream:  # the stream goes on: a proxy that buffered it would give nothing
                if "data" in event.fields and event.message["type"] == "complete":
                    break
        page = await get(f"{url}/")
        assert (page.status, b'"/assets' in page.body) == (200, False)
        assert (await get(url)).status in {301, 307}
        origin = url.removesuffix("/kinora")
        body = {"source": "clip.mp4", "plugins": ["motion"]}
        accepted = await post(f"{url}/v1/jobs", body, origin=origin, sec_fetch_site="same-origin")
        assert accepted.headers["location"] == f"/kinora/v1/jobs/{accepted.json()['job_id']}"
        assert (await get(origin + accepted.headers["location"])).status == 200
        assert (await post(f"{url}/v1/jobs", body, origin=origin.replace("localhost", "evil.example"))).status == 403
