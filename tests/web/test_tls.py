"""TLS: everything as without it, and what only TLS can do wrong. Real sockets, with an authority of the test's own."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from kinora.client import ClientError, KinoraClient, connect
from kinora.client.http import fetch
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.web.connection.tls import HANDSHAKE_S, Certificate, TlsError
from tests.authority import Authority
from tests.client_kit import events, get
from tests.jobs_kit import CLIP_FRAMES
from tests.web import test_connection_layer as layer
from tests.web.test_connection_layer import hello, read_all, running
from tests.web.test_keep_alive import held, pass_by

MB = 2**20


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority, and a server's certificate."""
    return Authority(tmp_path)


@pytest.fixture(autouse=True)
def encrypted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of the connection layer's tests have a certificate, and all clients trust its authority."""
    monkeypatch.setattr(layer, "AUTHORITY", authority)
    monkeypatch.setenv("KINORA_CA_FILE", str(authority.ca_file))


test_a_body_that_is_not_read_holds_nobody_up = layer.test_a_body_that_the_app_does_not_read_holds_nobody_up
test_a_client_that_goes_is_no_error = layer.test_a_client_that_goes_in_the_middle_of_an_answer_is_no_error
test_a_client_that_takes_nothing_is_cut_off = layer.test_a_client_that_takes_nothing_is_cut_off
test_a_flood_of_frames_lets_others_run = layer.test_a_flood_of_frames_that_ask_for_nothing_lets_others_run
test_a_flood_of_pings_stays_bounded = layer.test_a_flood_of_pings_that_nobody_reads_the_answers_of_stays_bounded
test_a_message_beyond_the_limit_is_refused = layer.test_a_message_beyond_the_limit_is_refused_before_it_is_kept
test_a_reader_that_stalls_cannot_delay_the_stop = layer.test_a_reader_that_stalls_cannot_delay_the_stop
test_an_idle_connection_does_not_delay_the_stop = layer.test_an_idle_connection_does_not_delay_the_stop
test_connections_beyond_the_limit_are_told_so = layer.test_connections_beyond_the_limit_are_told_so
test_early_data_is_kept = layer.test_data_right_behind_the_upgrade_request_is_kept_and_hurts_nobody
test_every_ping_is_answered_in_order = layer.test_every_ping_is_answered_in_order_between_messages
test_half_a_request_is_not_waited_for = layer.test_half_a_request_is_not_waited_for
test_nothing_follows_a_close_frame = layer.test_nothing_follows_a_close_frame
test_requests_sent_at_once_are_answered_in_order = layer.test_two_requests_sent_at_once_are_answered_in_order
test_sending_to_a_client_that_has_gone = layer.test_sending_to_a_client_that_has_gone_lets_others_run


@pytest.fixture
def clock() -> MockClock:
    """A clock that goes like the real one until it is held."""
    return MockClock(rate=1)


@pytest.fixture
async def server(settings: Settings, authority: Authority) -> AsyncIterator[RunningServer]:
    """A whole server with a certificate."""
    async with open_server(attrs.evolve(settings, tls_cert=authority.server)) as running_server:
        yield running_server


async def test_plain_reads_are_answered_as_by_the_app(server: RunningServer) -> None:
    """The reading lane sees what is decrypted, and its answers are encrypted."""
    for target in ("health", "ready", "jobs", "jobs?limit=1"):
        assert (await get(f"{server.url}/v1/{target}")).status == 200


async def test_an_upload_a_job_its_messages_and_its_results(server: RunningServer, media: Path) -> None:
    """An upload of some MB, the job's messages over the WebSocket, and its results: all encrypted, all complete."""
    assert server.url.startswith("https://127.0.0.1:")
    assert "strict-transport-security" not in (await get(f"{server.url}/")).headers  # other ports may have no TLS
    clip = media / "large.mp4"
    clip.write_bytes((media / "clip.mp4").read_bytes() + (8 * MB).to_bytes(4) + b"free" + os.urandom(8 * MB - 8))
    client = KinoraClient(server.url)
    submitted = await client.upload(clip, {"plugins": ["motion"]})
    kinds = []
    async with connect(server.url, last_event_id=submitted.last_event_id) as realtime:
        async for message in realtime:
            kinds.append(message.type)
            if message.type == "complete":
                assert message.payload["status"] == "done"
                break
    assert kinds.count("frame") == CLIP_FRAMES
    lines = bytearray()

    async def write(data: bytes) -> None:  # noqa: ASYNC124 - what the client takes
        lines.extend(data)

    await client.download_frames(submitted.job_id, "application/x-ndjson", write)
    assert lines.count(b"\n") == CLIP_FRAMES


async def test_an_event_stream_goes_on_where_it_was(server: RunningServer) -> None:
    """Server-sent events come over TLS too, and a client that comes back misses nothing."""
    submitted = await KinoraClient(server.url).submit({"source": "clip.mp4", "plugins": ["motion"]})
    url = f"{server.url}/v1/realtime?types=frame,complete"
    first = await frames_and_end(url, str(submitted.last_event_id), most=3)
    rest = await frames_and_end(url, first[-1], most=CLIP_FRAMES + 1)
    assert len({*first, *rest}) == len(first) + len(rest) == CLIP_FRAMES + 1


async def frames_and_end(url: str, last_event_id: str, most: int) -> list[str]:
    """The ids of the next messages about frames, and of the job's end."""
    ids: list[str] = []
    async with events(url, last_event_id=last_event_id) as stream:
        async for event in stream:
            if "data" in event.fields and event.message["type"] in {"frame", "complete"}:
                ids.append(event.fields["id"])
                if event.message["type"] == "complete" or len(ids) == most:
                    break
    return ids


async def test_the_app_is_told_that_it_is_encrypted() -> None:
    """The scheme of a request is ``https``, that of a WebSocket ``wss``."""
    schemes: list[str] = []

    async def look(scope: dict[str, str], receive: object, send: object) -> None:
        schemes.append(scope.get("scheme", ""))
        await hello(scope, receive, send)

    async with running(look) as target:
        assert await target.is_well()
        async with target.websocket():
            pass
    assert schemes[1:] == ["https", "wss"]


@asynccontextmanager
async def plain_connection(port: int) -> AsyncIterator[trio.SocketStream]:
    """A connection without TLS."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        yield stream


@pytest.mark.parametrize("body", [b"", b"x" * MB], ids=["small", "large"])
async def test_plain_http_is_told_to_use_https(body: bytes) -> None:
    """A request without TLS is answered in plain HTTP with a sentence, whatever follows it, and the server goes on."""
    async with running(hello) as target:
        async with plain_connection(target.port) as stream, trio.open_nursery() as nursery:
            head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
            nursery.start_soon(stream.send_all, head + body)
            answer = await read_all(stream)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"This server speaks HTTPS" in answer
        assert await target.is_well()


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00", b"\x16"], ids=["nothing", "a begin", "a byte"])
async def test_a_handshake_has_a_deadline(clock: MockClock, sent: bytes) -> None:
    """A connection that has not finished its handshake in time is closed; bytes of it do not put that off."""
    async with running(hello) as target, plain_connection(target.port) as stream:
        with held(clock):
            await pass_by(clock, HANDSHAKE_S - 1)
            if sent:
                await stream.send_all(sent)
            await pass_by(clock, 0)
            assert target.server.statistics().connections == 1
            await pass_by(clock, 1)
            assert await stream.receive_some() == b""
        assert await target.is_well()


async def test_a_handshake_does_not_delay_the_stop() -> None:
    """A connection in its handshake is closed at once when the server stops."""
    async with running(hello, grace_s=60) as target, plain_connection(target.port):
        await trio.testing.wait_all_tasks_blocked(0.01)
        target.server.stop()
        await target.ended.wait()


@pytest.mark.parametrize(
    "rubbish", [b"\x00" * 100, b"\x16\x03\x01\x00\x05hello", b"\x80" * 5000, b"\x15\x03\x03\x00\x02\x02\x28"]
)
async def test_rubbish_ends_that_connection_only(rubbish: bytes) -> None:
    """Bytes that are no handshake end the connection without an error in the log, and the server goes on."""
    with capture_logs() as lines:
        async with running(hello) as target:
            async with plain_connection(target.port) as stream:
                await stream.send_all(rubbish)
                await stream.send_eof()
                await read_all(stream)
            assert await target.is_well()
    assert lines == []


async def test_rubbish_in_the_middle_ends_that_connection_only() -> None:
    """Bytes that do not decrypt end the connection with an alert, and the server goes on."""
    async with running(hello) as target:
        stream = await target.connect()
        assert isinstance(stream, trio.SSLStream)
        async with stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" in await stream.receive_some()
            await stream.transport_stream.send_all(b"\x17\x03\x03\x00\x20" + bytes(32))
            with pytest.raises(trio.BrokenResourceError) as broken:  # an end without an alert would raise nothing
                await read_all(stream)
        assert "alert" in str(broken.value.__cause__)
        await target.server.empty()
        assert await target.is_well()


async def test_the_end_of_an_answer_is_told(authority: Authority) -> None:
    """The server closes with close_notify, so a client can tell an end from a connection that was cut."""
    async with running(hello) as target:
        tcp = await trio.open_tcp_stream("127.0.0.1", target.port)
        async with trio.SSLStream(tcp, authority.trusted, server_hostname="localhost") as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b"hello" in b"".join([bytes(data) async for data in stream])  # an end without notice would raise


async def test_only_http_1_is_agreed_on_and_old_tls_is_not(authority: Authority) -> None:
    """Of the protocols that a client offers HTTP/1.1 is chosen; TLS before 1.2 is refused."""
    authority.trusted.set_alpn_protocols(["h2", "http/1.1"])
    async with running(hello) as target:
        stream = await target.connect()
        assert isinstance(stream, trio.SSLStream)
        async with stream:
            await stream.do_handshake()
            assert stream.selected_alpn_protocol() == "http/1.1"
        authority.trusted.maximum_version = ssl.TLSVersion.TLSv1_2
        assert await target.is_well()
        old = ssl.create_default_context(cafile=str(authority.ca_file))
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        async with trio.SSLStream(
            await trio.open_tcp_stream("127.0.0.1", target.port), old, server_hostname="localhost"
        ) as refused:
            with pytest.raises(trio.BrokenResourceError):
                await refused.do_handshake()
        assert await target.is_well()


def test_a_session_is_not_negotiated_again(authority: Authority) -> None:
    """Renegotiation, which would let a client have keys made without end, is off."""
    assert Certificate(authority.server)._context.options & ssl.OP_NO_RENEGOTIATION


async def test_a_new_certificate_is_for_new_connections(authority: Authority) -> None:
    """After a reload new connections get the new certificate, and those that are open go on."""
    certificate = Certificate(authority.server)
    before = await shown(certificate, authority)
    authority.give(authority.server.name)
    assert await shown(certificate, authority) == before
    await certificate.reload()
    assert await shown(certificate, authority) != before


async def test_a_broken_certificate_changes_nothing(authority: Authority) -> None:
    """If the files cannot be used at a reload, the old certificate stays, and a sentence is logged."""
    certificate = Certificate(authority.server)
    before = await shown(certificate, authority)
    authority.server.write_text("no certificate")
    with capture_logs() as lines:
        await certificate.reload()
    assert await shown(certificate, authority) == before
    assert [line["log_level"] for line in lines] == ["error"]
    assert str(authority.server) in lines[0]["reason"]


async def shown(certificate: Certificate, authority: Authority) -> bytes:
    """The certificate that a client gets now."""
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(one)) for one in socket.socketpair())
    async with ours, theirs, trio.open_nursery() as nursery:
        nursery.start_soon(certificate.handshake, ours)
        client = trio.SSLStream(theirs, authority.trusted, server_hostname="localhost")
        await client.do_handshake()
        got: bytes = client.getpeercert(binary_form=True)
    return got


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> dict[str, Path]:
    """Files that may be named as certificate or key, good and bad."""
    other = authority.give("other.pem").read_text()
    begin = other.index("-----BEGIN CERTIFICATE")
    own = authority.server.read_text()
    cert = own[own.index("-----BEGIN CERTIFICATE") :]
    for name, text in {"key": other[:begin], "empty": "", "cert": cert, "locked": LOCKED_KEY}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "folder").mkdir()
    return {name: tmp_path / name for name in ("gone", "folder", "key", "empty", "cert", "locked")}


@pytest.mark.parametrize(
    ("cert", "key", "said"),
    [
        ("gone", None, "cannot be read (No such file or directory): give another file with --tls-cert"),
        ("folder", None, "cannot be read (Is a directory)"),
        ("cert", "gone", "give another file with --tls-key"),
        ("cert", None, "has no certificate with its private key in PEM: give the key's file with --tls-key"),
        ("empty", "key", "are not a certificate and its private key in PEM"),
        ("cert", "key", "belongs to another certificate"),
        ("cert", "locked", "needs a password"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_said_in_a_sentence(
    files: dict[str, Path], cert: str, key: str | None, said: str
) -> None:
    """Each fault of the files has its sentence, which says what to give instead."""
    with pytest.raises(TlsError) as raised:
        Certificate(files[cert], files[key] if key else None)
    assert said in str(raised.value)


LOCKED_KEY = """-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiMDOeffLt96wICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEDnanM0QDf4Wbyqx8ziZkgQEgZBo
tkrXVPox+LvXrLkoUXgT3UydQ/9oSfTXb0irUKvtcrpmjVWML3WEXZDwXIWTaSNX
WsrjMBxgdanTdVegH8WmCuiZs70g3WI2W0c4e8c5npVTG/aMKTr/gdkDjscO+Gxo
C7XC7VKrmJM/sproNDUkArP3HZVaL9euGTdU7518LWzxLVqh54/s97DF/z2sHx0=
-----END ENCRYPTED PRIVATE KEY-----
"""


async def test_a_certificate_that_nobody_knows_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's sentence says why, and how to trust it; calls and live messages alike."""
    monkeypatch.delenv("KINORA_CA_FILE")
    async with running(hello) as target:
        url = f"https://127.0.0.1:{target.port}"
        with pytest.raises(ClientError, match=r"not to be trusted \(.*\): .*--ca-file or KINORA_CA_FILE"):
            await fetch(url, "GET", "/")
        with pytest.raises(ClientError, match="not to be trusted"):
            async with connect(url):
                pass


async def test_a_client_can_be_given_the_authority(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``ca_file`` is trusted beside the machine's own authorities; what cannot be read as such is said."""
    monkeypatch.delenv("KINORA_CA_FILE")
    async with running(hello) as target:
        url = f"https://127.0.0.1:{target.port}"
        assert (await fetch(url, "GET", "/", ca_file=authority.ca_file)).body == b"hello"
        async with connect(url, ca_file=authority.ca_file):
            pass
        for bad in (tmp_path / "gone.pem", tmp_path):
            with pytest.raises(ClientError, match=r"cannot be read as certificates in PEM: .*--ca-file"):
                await KinoraClient(url, ca_file=bad).jobs()


async def test_the_other_scheme_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is given http for https, or the other way round, is told so."""
    async with running(hello) as target:
        with pytest.raises(ClientError, match="This server speaks HTTPS"):
            await KinoraClient(f"http://127.0.0.1:{target.port}").jobs()
    monkeypatch.setattr(layer, "AUTHORITY", None)
    async with running(hello) as target:
        with pytest.raises(ClientError, match="does not speak HTTPS: write http://"):
            await KinoraClient(f"https://127.0.0.1:{target.port}").jobs()
