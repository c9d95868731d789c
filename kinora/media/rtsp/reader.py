"""The thread that reads a camera all the time, so that what is decoded is the present."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from kinora.media.packets.packet_keeper import PacketKeeper
from kinora.media.packets.packet_memory import KeptPacket
from kinora.media.rtsp.backlog import Backlog
from kinora.media.rtsp.connection import Stopped
from kinora.media.rtsp.description import Track
from kinora.media.rtsp.faults import closed, no_key_frame
from kinora.media.rtsp.h264 import H264
from kinora.media.rtsp.h265 import H265
from kinora.media.rtsp.jpeg import JpegDepacketizer
from kinora.media.rtsp.session import Session
from kinora.media.rtsp.units import Depacketizer, NalDepacketizer, Unit

KEY_FRAME_S = 20.0
"""A camera that sends nothing that can be decoded for this long is lost: the time for the first key frame, too."""
CLOSE_S = 1.0
"""The wait for the thread; it ends by itself even if that takes longer."""


class CameraReader:
    """Reads the units of a session, which it takes over."""

    def __init__(self, session: Session, name: str) -> None:
        self.track = session.track
        self.keeper = PacketKeeper(session.track.codec)
        self._session = session
        self._name = name
        self._depacketizer = depacketizer(session.track)
        self._backlog = Backlog()
        self._thread = threading.Thread(target=self._read, name="rtsp", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """True once packets were missing, and pictures with them."""
        return self._depacketizer.lost

    def take(self, deadline: float) -> tuple[Unit, int] | None:
        """Wait for the next unit, see :meth:`Backlog.take`.

        Raises:
            CameraError: the camera is lost; all units before that have been taken.
        """
        return self._backlog.take(deadline)

    def let_go_old(self) -> None:
        """Keep near the present, see :meth:`Backlog.let_go_old`."""
        self._backlog.let_go_old()

    def close(self) -> None:
        """End the session."""
        self._session.stop()
        self._thread.join(CLOSE_S)

    def _read(self) -> None:
        end: Exception = closed(self._name)
        try:
            for unit in self._units():
                if self.keeper.wants:
                    self._keep(unit)
                self._backlog.put(unit)
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - it is raised where the units are taken
            end = error
        finally:
            self._session.close()
            self._backlog.end(end)

    def _keep(self, unit: Unit) -> None:
        time_us = unit.timestamp * 1_000_000 // self.track.ticks_per_s
        self.keeper.put(KeptPacket(unit.data, time_us, unit.received_s, unit.is_key))

    def _units(self) -> Iterator[Unit]:
        given_at = time.monotonic()
        for packet in self._session.packets():
            for unit in self._depacketizer.add(packet):
                given_at = time.monotonic()
                yield unit
            if time.monotonic() - given_at > KEY_FRAME_S:
                raise no_key_frame(self._name, KEY_FRAME_S)


def depacketizer(track: Track) -> Depacketizer:
    """What makes units of the track's packets."""
    if track.codec == "mjpeg":
        return JpegDepacketizer(track.size)
    return NalDepacketizer(H264 if track.codec == "h264" else H265, track.parameter_sets)
