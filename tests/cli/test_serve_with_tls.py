"""``kinora serve`` with a certificate, as a process: its address, its signals and its first errors."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from trio_websocket import ConnectionClosed, wrap_client_stream

from tests.authority import Authority
from tests.cli.test_cli import LIMIT_S, kinora, line_of, serving


def shown(port: str, authority: Authority) -> bytes:
    """The certificate that a client gets now."""
    with (
        socket.create_connection(("127.0.0.1", int(port))) as plain,
        authority.trusted.wrap_socket(plain, server_hostname="localhost") as encrypted,
    ):
        return encrypted.getpeercert(binary_form=True) or b""


async def test_hangups_renew_the_certificate_and_end_nothing(tmp_path: Path, media: Path) -> None:
    """SIGHUP has the certificate read again, a broken one is logged, open clients stay, and SIGTERM tells them 1001."""
    authority = Authority(tmp_path)
    secure = {"KINORA_TLS_CERT": str(authority.server), "KINORA_CA_FILE": str(authority.ca_file)}
    with serving(tmp_path, media, **secure) as server:
        assert server.url == f"https://127.0.0.1:{server.port}"
        before = shown(server.port, authority)
        address = f"127.0.0.1:{server.port}"
        tcp = await trio.open_tcp_stream("127.0.0.1", int(server.port))
        encrypted = trio.SSLStream(tcp, authority.trusted, server_hostname="127.0.0.1", https_compatible=True)
        async with encrypted, trio.open_nursery() as nursery:
            opened = await wrap_client_stream(nursery, encrypted, address, "/v1/realtime")
            assert json.loads(await opened.get_message())["type"] == "metadata"
            authority.give(authority.server.name)
            server.process.send_signal(signal.SIGHUP)
            line_of(server.process, "the certificate has been read again")
            renewed = shown(server.port, authority)
            authority.server.write_text("")
            server.process.send_signal(signal.SIGHUP)
            assert str(authority.server) in line_of(server.process, "the old certificate stays in use")
            assert before != renewed == shown(server.port, authority)
            unknown = kinora("jobs", "--url", server.url, KINORA_CA_FILE="")
            assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
            assert "is not to be trusted" in unknown.stderr
            listed = kinora("jobs", "--url", server.url, "--ca-file", authority.ca_file, KINORA_CA_FILE="")
            assert (listed.returncode, listed.stdout.count("\n")) == (0, 1)
            server.process.terminate()
            with suppress(ConnectionClosed):
                while True:
                    await opened.get_message()
        assert opened.closed is not None
        assert opened.closed.code == 1001
        assert server.process.wait(LIMIT_S) == 0


def test_a_service_manager_is_told_of_a_renewed_certificate(tmp_path: Path, media: Path) -> None:
    """RELOADING at SIGHUP, READY once the certificate has been read, so that ``systemctl reload`` waits for it."""
    authority = Authority(tmp_path)
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(LIMIT_S)
        with serving(tmp_path, media, NOTIFY_SOCKET=address, KINORA_TLS_CERT=str(authority.server)) as server:
            ready = f"READY=1\nSTATUS=Serving {server.url}".encode()
            assert manager.recv(1000) == ready
            server.process.send_signal(signal.SIGHUP)
            assert manager.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(1000) == ready


@pytest.mark.parametrize("flags", [("--tls-cert", "gone.pem"), ("--tls-key", "gone.pem")])
def test_a_certificate_that_cannot_be_used_ends_the_start(tmp_path: Path, flags: tuple[str, str]) -> None:
    """Without its certificate or its key there is no server, but a sentence."""
    done = kinora("serve", "--port", "0", "--data-dir", tmp_path, *flags)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("kinora: ")
    assert "--tls-cert" in done.stderr
