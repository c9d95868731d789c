"""The TLS of one connection: plain bytes turned into ciphertext and back, in memory.

It owns no socket and waits for nothing: what is encrypted goes into the connection's ``ByteQueue``.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

_RECORD_BYTES = 16 * 1024
"""The most plain bytes of one record."""


class TlsSession:
    """The server's side of the TLS of one connection."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._from_wire, self._to_wire = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._from_wire, self._to_wire, server_side=True)
        self.began = False
        """True once bytes of the client have come."""
        self.ended = False
        """True once nothing more can be read: the client has closed its side, or broken the protocol."""

    def handshake(self, data: bytes) -> tuple[bool, bytes, ssl.SSLError | None]:
        """Take the client's next bytes of the handshake, none if it has ended its side.

        Returns:
            True once the handshake is done; the bytes to send in any case; the failure that ends it.
        """
        self.began = True
        self.feed(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False, self.own_bytes(), None
        except ssl.SSLError as error:
            return False, self.own_bytes(), error
        return True, self.own_bytes(), None

    def encrypt(self, data: bytes) -> bytes:
        """The bytes to send for ``data``, behind what TLS has to send by itself.

        Raises:
            ssl.SSLError: nothing can be sent any more.
        """
        written = self._tls.write(data) if data else 0
        while written < len(data):  # more than one record
            written += self._tls.write(memoryview(data)[written:])
        return self._to_wire.read()

    def feed(self, data: bytes) -> None:
        """Take the client's next bytes; none say that it has ended its side."""
        if data:
            self._from_wire.write(data)
        else:
            self._from_wire.write_eof()

    def read(self) -> bytes:
        """The plain bytes of all records that are complete; one that is not, of 16 KiB at most, waits for the rest."""
        pieces = []
        try:
            while piece := self._tls.read(_RECORD_BYTES):
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.ended = True
        return b"".join(pieces)

    def own_bytes(self) -> bytes:
        """The bytes that TLS has to send by itself, such as an alert or a new key; mostly none."""
        return self._to_wire.read()

    def close(self) -> bytes:
        """The bytes that tell the client that nothing follows; call it once, at the end."""
        with suppress(ssl.SSLError):  # the client's side is still open, or the session is broken: then this is all
            self._tls.unwrap()
        return self.own_bytes()
