"""Where a live source's encoded packets pass by, on their way to be decoded."""

from __future__ import annotations

import threading

from kinora.media.packets.packet_memory import KeptPacket, PacketWriter

BEGINNING_BYTES = 16 * 2**20
"""The most bytes that wait until it is known whether packets are kept. Beyond it those before the next key frame are
not kept."""
PACKET_BYTES = 256
"""What a packet that waits takes beside its data, about: small ones are many."""


class PacketKeeper:
    """Keeps the packets of a live source from the last key frame before :meth:`begin` on, if they are wanted.

    Threads may use it.
    """

    def __init__(self, codec: str) -> None:
        self.codec = codec
        """One of ``CODECS``."""
        self.wants = True
        """False once it is known that no packets are kept: there is no need to :meth:`put` any more."""
        self._beginning: list[KeptPacket] = []
        """The packets that wait; the first one is a key frame."""
        self._beginning_bytes = 0
        self._writer: PacketWriter | None = None
        self._changing = threading.Lock()

    def put(self, packet: KeptPacket) -> None:
        """Take the next packet."""
        with self._changing:
            if self._writer is not None:
                self._writer.add(packet)
            elif self.wants:
                self._wait(packet)

    def begin(self, writer: PacketWriter | None) -> None:
        """Keep packets from now on, and those since the last key frame; with None, keep none."""
        with self._changing:
            self._writer, self.wants = writer, writer is not None
            if writer is not None:
                for packet in self._beginning:
                    writer.add(packet)
            self._beginning = []

    def _wait(self, packet: KeptPacket) -> None:
        if packet.is_key:
            self._beginning, self._beginning_bytes = [packet], 0
        elif self._beginning:
            self._beginning.append(packet)
        self._beginning_bytes += len(packet.data) + PACKET_BYTES
        if self._beginning_bytes > BEGINNING_BYTES:
            self._beginning = []
