"""A session with a camera: what is asked of it, what it sends, and what keeps it alive."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Self

from kinora.media.camera_errors import SILENCE_S, CameraError, password_needed, password_wrong
from kinora.media.network.auth import MAX_PROOFS, Credentials
from kinora.media.network.url_access import SourceUrl
from kinora.media.rtsp import faults
from kinora.media.rtsp.connection import Connection, Stopped
from kinora.media.rtsp.description import Track, find_track
from kinora.media.rtsp.requests import OK, REQUEST_S, UNAUTHORIZED, Requests
from kinora.media.rtsp.rtp import RtpPacket, parse_rtp
from kinora.media.rtsp.wire import Asked, Interleaved, Message, Response

GOODBYE_S = 0.05
"""The time to send the request that ends a session; its answer is not waited for."""
SESSION_S = 60
"""The time after which a camera forgets a session that it hears nothing of, unless it names another."""
LEAST_PAUSE_S, MOST_PAUSE_S = 1.0, 30.0
"""The shortest and the longest time between two requests that keep the session."""
_NO_SESSION, _NO_TRANSPORT = 454, 461
_REDIRECTS = range(300, 400)
_SESSION = re.compile(r"([!-:<-~]{1,256})(?:[ \t]*;.*)?")
_TIMEOUT = re.compile(r";[ \t]*timeout[ \t]*=[ \t]*([0-9]{1,5})", re.IGNORECASE)
_CHANNEL = re.compile(r"interleaved[ \t]*=[ \t]*([0-9]{1,3})", re.IGNORECASE)
_USER = re.compile(r"//[^/@]*@")
_TRANSPORT = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}


class Redirected(Exception):
    """The camera sends its clients elsewhere."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


class Session:
    """A session over a connection, both used by one thread; :meth:`stop` alone may be called by others."""

    def __init__(self, connection: Connection, name: str, credentials: Credentials | None, until: float) -> None:
        self._connection = connection
        self._name = name
        self._requests = Requests(connection, name, credentials)
        self._until = until
        self._control = ""
        self._keeps_by = "OPTIONS"
        self._pause_s = MOST_PAUSE_S
        self._refusals = 0
        """The answers in a row that asked for a password while the session was kept alive."""
        self._channel = 0
        self.track: Track
        """What is watched, once the session has begun."""

    @classmethod
    def begin(
        cls, connection: Connection, url: SourceUrl, name: str, credentials: Credentials | None, until: float
    ) -> Self:
        """Have the video sent over a connection, which is closed if that fails; ``until`` is when it must play.

        Raises:
            CameraError: the camera does not do it.
            Redirected: it says where to ask instead.
        """
        session = cls(connection, name, credentials, until)
        try:
            session._describe(url.whole)
            session._play()
        except BaseException:
            connection.close()
            raise
        return session

    def packets(self) -> Iterator[RtpPacket]:
        """The packets of the video, without end.

        Raises:
            CameraError: the camera is lost.
            Stopped: by :meth:`stop`.
        """
        now, early = time.monotonic(), self._requests.early
        silent_at, keep_at = now + SILENCE_S, now + self._pause_s
        while True:
            message = early.popleft() if early else self._connection.receive(min(silent_at, keep_at))
            now = time.monotonic()
            if (packet := self._video(message)) is not None:
                silent_at = now + SILENCE_S
                yield packet
            elif now >= silent_at:
                raise faults.silent(self._name, SILENCE_S)
            if now >= keep_at:
                self._keep_alive()
                keep_at = now + self._pause_s

    def stop(self) -> None:
        """End :meth:`packets`, which waits in another thread."""
        self._connection.stop()

    def close(self) -> None:
        """End the session, as far as the camera hears it, and close the connection."""
        with suppress(CameraError, Stopped):
            self._requests.send("TEARDOWN", self._control, {}, time.monotonic() + GOODBYE_S)
        self._connection.close()

    def _describe(self, target: str) -> None:
        offered = self._ask("OPTIONS", target, {})
        if "GET_PARAMETER" in offered.fields.get("public").upper():
            self._keeps_by = "GET_PARAMETER"
        described = self._checked(self._ask("DESCRIBE", target, {"Accept": "application/sdp"}))
        control, self.track = find_track(self._name, described.body)
        stated = described.fields.get("content-base") or described.fields.get("content-location")
        base = stated if "://" in stated else target
        self._control = joined(base, control)
        self._set_up(joined(base, self.track.control))

    def _set_up(self, target: str) -> None:
        agreed = self._checked(self._ask("SETUP", target, _TRANSPORT))
        transport, stated = agreed.fields.get("transport"), agreed.fields.get("session")
        if channel := _CHANNEL.search(transport):
            self._channel = int(channel[1])
        elif "TCP" not in transport.upper():
            raise faults.status(self._name, _NO_TRANSPORT)
        if named := _SESSION.fullmatch(stated):
            self._requests.session = named[1]
        timeout = _TIMEOUT.search(stated)
        half = (int(timeout[1]) if timeout else SESSION_S) / 2
        self._pause_s = min(max(half, LEAST_PAUSE_S), MOST_PAUSE_S)

    def _play(self) -> None:
        self._requests.early.clear()
        self._checked(self._ask("PLAY", self._control, {"Range": "npt=0.000-"}))

    def _ask(self, method: str, target: str, fields: Mapping[str, str]) -> Response:
        return self._requests.ask(method, target, fields, self._until)

    def _checked(self, answer: Response) -> Response:
        if answer.status == UNAUTHORIZED:
            raise password_needed(self._name)
        if answer.status in _REDIRECTS:
            raise Redirected(answer.fields.get("location"))
        if answer.status == _NO_SESSION:
            raise faults.session_ended(self._name)
        if answer.status != OK:
            raise faults.status(self._name, answer.status)
        return answer

    def _video(self, message: Message | None) -> RtpPacket | None:
        """The packet of the video that this is; all else is dealt with here."""
        match message:
            case Interleaved(channel, data) if channel == self._channel:
                packet = parse_rtp(data)
                return packet if packet is not None and packet.payload_type == self.track.payload_type else None
            case Response():
                self._note_answer(message)
            case Asked():
                self._requests.reply(message)
        return None

    def _keep_alive(self) -> None:
        self._requests.send(self._keeps_by, self._control, {}, time.monotonic() + REQUEST_S)

    def _note_answer(self, answer: Response) -> None:
        """Go by the answer to what keeps the session alive."""
        if answer.status == _NO_SESSION:
            raise faults.session_ended(self._name)
        if self._requests.wants_proof(answer):
            self._refusals += 1
            if self._refusals > MAX_PROOFS:
                raise password_wrong(self._name)
            self._keep_alive()
            return
        self._refusals = 0
        if answer.status != OK and self._keeps_by != "OPTIONS":
            self._keeps_by = "OPTIONS"
            self._keep_alive()


def joined(base: str, control: str) -> str:
    """The URL of a part: as cameras mean it, not as RFC 1808 has it. A user and a password in it are left out."""
    if control in ("", "*"):
        whole = base
    elif "://" in control:
        whole = control
    else:
        whole = f"{base.rstrip('/')}/{control.lstrip('/')}"
    return _USER.sub("//", whole, count=1)
