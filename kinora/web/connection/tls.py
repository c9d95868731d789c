"""The server's certificate for TLS: read, read again, and shown to clients in handshakes."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NoReturn

import structlog
import trio

from kinora.web.connection.tls_session import TlsSession

HANDSHAKE_S = 10.0
"""The time limit for a handshake, as for a request head; then the connection is closed."""
HANDSHAKES_AT_ONCE = 2
"""Steps of handshakes in one pass of the scheduler, since each takes a millisecond or more of the event loop.

Further ones wait in line, and count against their own ``HANDSHAKE_S``.
"""
_RECV_BYTES = 16 * 1024
log = structlog.get_logger()


class TlsError(Exception):
    """The certificate or its key cannot be used; ``str()`` of the error is a sentence for the user."""


class PlainHttp(Exception):
    """The client sent an HTTP request where the handshake should have begun."""


class Certificate:
    """The server's certificate with its private key, in PEM; the certificate's file may have the key too.

    Raises:
        TlsError: a file cannot be read, or the two do not fit.
    """

    def __init__(self, cert: Path, key: Path | None = None) -> None:
        self._files = (cert, key or cert)
        self._context = _context(*self._files)
        self._turns = trio.CapacityLimiter(HANDSHAKES_AT_ONCE)

    def session(self) -> TlsSession:
        """The server's side of a connection that begins now."""
        return TlsSession(self._context)

    async def reload(self) -> None:
        """Read the files again, for connections that begin later; if they cannot be used, log why and keep the old."""
        try:
            self._context = await trio.to_thread.run_sync(_context, *self._files, abandon_on_cancel=True)
        except TlsError as error:
            log.error("the old certificate stays in use", reason=str(error))  # noqa: TRY400 - the sentence says it all
        else:
            log.info("the certificate has been read again", tls_cert=str(self._files[0]))

    async def handshake(self, stream: trio.SocketStream) -> TlsSession:
        """Do the server's side of a handshake. Has no deadline of its own: see ``HANDSHAKE_S``.

        Raises:
            PlainHttp: the client speaks HTTP without TLS.
            ssl.SSLError: the handshake failed, or the client ended it; the client has been told.
            trio.BrokenResourceError: the client has gone.
        """
        session = self.session()
        done = False
        while not done:
            data = await stream.receive_some(_RECV_BYTES)
            if not session.began and data[:1].isalpha():
                raise PlainHttp
            async with self._turns:
                done, answer, failure = session.handshake(bytes(data))
            await stream.send_all(answer)
            if failure is not None:
                raise failure
        return session


def certificate_in(cert: Path | None, key: Path | None) -> Certificate | None:
    """The certificate in these files; None if there is none. Blocks while they are read.

    Raises:
        TlsError: as :class:`Certificate`, or there is a key alone.
    """
    if cert is None and key is not None:
        raise TlsError("There is a --tls-key without a --tls-cert: name the certificate that it belongs to.")
    return None if cert is None else Certificate(cert, key)


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    """The settings of the server's side, with its certificate. Blocks while the files are read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    for name, path in (("tls-cert", cert), ("tls-key", key)):
        _require_readable(name, path)
    try:
        context.load_cert_chain(cert, key, password=lambda: _refuse_password(key))
    except (ssl.SSLError, OSError) as error:
        raise TlsError(_explain(cert, key, error)) from error
    return context


def _require_readable(name: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise TlsError(f"{path} cannot be read ({error.strerror}): give another file with --{name}.") from error


def _refuse_password(key: Path) -> NoReturn:
    raise TlsError(f"The key in {key} needs a password, which nobody could type at a restart: store it without one.")


def _explain(cert: Path, key: Path, error: OSError) -> str:
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        return f"The key in {key} belongs to another certificate than that in {cert}: give its own with --tls-key."
    if reason in {"EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "CA_KEY_TOO_SMALL"}:
        return f"The certificate in {cert} is too weak for today's clients: have another one made."
    if key == cert:
        return f"{cert} has no certificate with its private key in PEM: give the key's file with --tls-key."
    return f"{cert} and {key} are not a certificate and its private key in PEM: give others."
