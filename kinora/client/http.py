"""One HTTP/1.1 request over a Trio stream, no more than the REST client needs."""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import attrs
import h11
import trio

from kinora.client.errors import ClientError, Unreachable
from kinora.client.token import authorization

READ_BYTES = 65_536
SEND_BYTES = 2**20
PORTS = {"http": 80, "https": 443}
OK = range(200, 300)
CA_FILE = "KINORA_CA_FILE"
"""The variable that names a file of further certificates to trust, in PEM, as of an authority of one's own."""
ClientStream = trio.SocketStream | trio.SSLStream[trio.SocketStream]
Write = Callable[[bytes], Awaitable[object]]
"""Takes the next piece of an answer."""


@attrs.frozen
class Body:
    """The body of a request: bytes, or a file with bytes around it."""

    content_type: str
    head: bytes
    file: Path | None = None
    file_size: int = 0
    tail: bytes = b""

    @property
    def length(self) -> int:
        """The number of bytes in all."""
        return len(self.head) + self.file_size + len(self.tail)


@attrs.frozen
class Answer:
    """The server's answer."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


async def fetch(
    base: str,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: Body | None = None,
    write: Write | None = None,
    token: str | None = None,
    ca_file: str | Path | None = None,
) -> Answer:
    """Send one request to the server at ``base``, read its whole answer and close the connection.

    The token is shown if there is one. The body of a success is handed to ``write`` piece by piece, if given, and is
    not in the answer then.

    Raises:
        ClientError: the address is invalid, the server cannot be reached or trusted, or it gave no complete answer.
    """
    parts = server_address(base)
    all_headers = {"Host": parts.netloc.rpartition("@")[2], "Connection": "close", **(headers or {})}
    all_headers |= authorization(token)
    if body is not None:
        all_headers |= {"Content-Type": body.content_type, "Content-Length": str(body.length)}
    request = h11.Request(method=method, target=parts.path.rstrip("/") + target, headers=list(all_headers.items()))
    try:
        stream = await open_stream(parts, ca_file)
    except OSError as error:
        raise Unreachable(base) from error
    async with stream:
        try:
            return await _exchange(stream, request, body, write)
        except (trio.BrokenResourceError, h11.RemoteProtocolError) as error:
            raise ClientError(f"The server at {base} gave no complete answer") from error


def server_address(url: str) -> SplitResult:
    """The parts of a server's address.

    Raises:
        ClientError: the address is invalid.
    """
    refusal = ClientError(f"{url!r} is not a server address: write it as http://127.0.0.1:8000")
    try:
        parts = urlsplit(url)
        known = parts.scheme in PORTS and parts.hostname and parts.port != 0
    except ValueError as error:  # a bracket is missing, or the port is no number up to 65535
        raise refusal from error
    if not known:
        raise refusal
    return parts


async def open_stream(
    address: SplitResult, ca_file: str | Path | None = None, certificate: Path | None = None
) -> ClientStream:
    """Connect to the server; with ``https`` the connection is encrypted, and the server's certificate checked.

    Args:
        address: of the server.
        ca_file: further certificates to trust; None stands for those in the file that ``CA_FILE`` names.
        certificate: the server's own, first in this file: it alone is trusted then, whatever its names and its age.

    Raises:
        OSError: it cannot be reached.
        ClientError: it does not speak HTTPS, its certificate is not to be trusted, or ``ca_file`` cannot be used.
    """
    host, port = address.hostname or "", address.port or PORTS[address.scheme]
    if address.scheme == "http":
        return await trio.open_tcp_stream(host, port)
    context = _trusting(ca_file) if certificate is None else _trusting_nobody()
    stream = await trio.open_ssl_over_tcp_stream(host, port, https_compatible=True, ssl_context=context)
    try:
        await stream.do_handshake()
        if certificate is not None:
            _require_certificate(stream, certificate)
    except trio.BrokenResourceError as error:
        await trio.aclose_forcefully(stream)
        raise _no_handshake(address, error.__cause__) from error
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


def _trusting(ca_file: str | Path | None) -> ssl.SSLContext:
    """The client's side of TLS, with all certificates that it trusts."""
    context = ssl.create_default_context()
    named = ca_file or os.environ.get(CA_FILE)
    if named:
        try:
            context.load_verify_locations(named)
        except OSError as error:  # of the file, or of TLS
            raise ClientError(
                f"{named} cannot be read as certificates in PEM: give another file as ca_file, or with --ca-file"
            ) from error
    return context


def _trusting_nobody() -> ssl.SSLContext:
    """The client's side of TLS with a server whose certificate is compared afterwards."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _first_pem(text: str) -> str:
    """The first certificate in a file that may have text, keys and further certificates."""
    return ssl.PEM_HEADER + text.partition(ssl.PEM_HEADER)[2].partition(ssl.PEM_FOOTER)[0] + ssl.PEM_FOOTER


def _require_certificate(stream: trio.SSLStream[trio.SocketStream], file: Path) -> None:
    """Raise ClientError unless the server has shown the first certificate in the file."""
    try:
        wanted = ssl.PEM_cert_to_DER_cert(_first_pem(file.read_text("ascii")))
    except (OSError, ValueError) as error:
        raise ClientError(f"{file} cannot be read as a certificate in PEM") from error
    if stream.getpeercert(binary_form=True) != wanted:
        raise ClientError(f"The server has not the certificate in {file}")


def _no_handshake(address: SplitResult, reason: BaseException | None) -> ClientError:
    server = f"{address.scheme}://{address.netloc.rpartition('@')[2]}"
    match reason:
        case ssl.SSLCertVerificationError(verify_message=message):
            return ClientError(
                f"The certificate of {server} is not to be trusted ({message}): if it is your own, "
                f"name it or its authority as ca_file, or with --ca-file or {CA_FILE}"
            )
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "HTTP_REQUEST"):
            return ClientError(f"The server at {server} does not speak HTTPS: write http:// in its address")
        case _:
            return ClientError(f"The server at {server} ended the connection before it was encrypted")


async def _exchange(stream: trio.abc.Stream, request: h11.Request, body: Body | None, write: Write | None) -> Answer:
    connection = h11.Connection(our_role=h11.CLIENT)
    await stream.send_all(connection.send(request) or b"")
    try:
        if body is not None:
            await _send_body(stream, connection, body)
        await stream.send_all(connection.send(h11.EndOfMessage()) or b"")
    except trio.BrokenResourceError:
        pass  # it may have answered before it had the whole body, as when a file is too large
    return await _receive(stream, connection, write)


async def _send_body(stream: trio.abc.Stream, connection: h11.Connection, body: Body) -> None:
    await stream.send_all(connection.send(h11.Data(data=body.head)) or b"")
    if body.file is not None:
        async with await trio.open_file(body.file, "rb") as file:
            while data := await file.read(SEND_BYTES):
                await stream.send_all(connection.send(h11.Data(data=data)) or b"")
    await stream.send_all(connection.send(h11.Data(data=body.tail)) or b"")


async def _receive(stream: trio.abc.Stream, connection: h11.Connection, write: Write | None) -> Answer:
    status, headers, body = 0, {}, bytearray()
    await trio.lowlevel.checkpoint()
    while type(event := connection.next_event()) is not h11.EndOfMessage:
        match event:
            case h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(READ_BYTES)))
            case h11.Response():
                status = event.status_code
                headers = {name.decode().lower(): value.decode() for name, value in event.headers}
            case h11.Data() if write is not None and status in OK:
                await write(event.data)
            case h11.Data():
                body += event.data
    return Answer(status, headers, bytes(body))
