"""Requests to a camera and their answers, with the proof of who asks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from kinora.media.camera_errors import password_wrong, redirected
from kinora.media.network.auth import MAX_PROOFS, Credentials, Prover, parse_challenges
from kinora.media.rtsp import faults
from kinora.media.rtsp.connection import Connection
from kinora.media.rtsp.wire import Asked, Interleaved, Response, WireError, encode_request, encode_response

REQUEST_S = 5.0
"""The time for a connection, and for the answer to each request."""
MAX_EARLY = 1024
"""The packets before an answer that are kept; the oldest make room."""
OK, UNAUTHORIZED = 200, 401
_NOT_IMPLEMENTED = 501


class Requests:
    """What is asked over a connection, one request after the other."""

    def __init__(self, connection: Connection, name: str, credentials: Credentials | None) -> None:
        self.session = ""
        """The session's name, which each request has once the camera has given one."""
        self.early = deque[Interleaved](maxlen=MAX_EARLY)
        """The packets that came before the answer to the last request."""
        self._connection = connection
        self._name = name
        self._prover = None if credentials is None else Prover(credentials)
        self._sent = 0
        """The number of the last request."""

    def ask(self, method: str, target: str, fields: Mapping[str, str], until: float) -> Response:
        """Send a request, with a proof once the camera asks for it, and wait for the answer, at most to ``until``.

        Raises:
            CameraError: there is none, or the camera knows no such user.
        """
        for _ in range(MAX_PROOFS):
            deadline = min(time.monotonic() + REQUEST_S, until)
            self.send(method, target, fields, deadline)
            answer = self._answer(deadline)
            if not self.wants_proof(answer):
                return answer
        raise password_wrong(self._name)

    def wants_proof(self, answer: Response) -> bool:
        """True if the request is to be sent again, with a proof that the camera may take.

        Raises:
            CameraError: it does not take the last one.
        """
        if self._prover is None:
            return False
        if answer.status != UNAUTHORIZED:
            self._prover.was_accepted()
            return False
        if not self._prover.take(parse_challenges(answer.fields.all("www-authenticate"))):
            raise password_wrong(self._name)
        return True

    def send(self, method: str, target: str, fields: Mapping[str, str], deadline: float) -> None:
        """Send a request, and do not wait for the answer.

        Raises:
            CameraError: the camera does not take it, or has made a target of odd characters.
        """
        self._sent += 1
        head = {"CSeq": str(self._sent), "User-Agent": "kinora"}
        if self.session:
            head["Session"] = self.session
        if self._prover is not None and (proof := self._prover.prove(method, target)) is not None:
            head["Authorization"] = proof
        try:
            data = encode_request(method, target, {**head, **fields})
        except WireError as error:
            raise faults.not_rtsp(self._name) from error
        self._connection.send(data, deadline)

    def _answer(self, deadline: float) -> Response:
        """Wait for the answer to the last request; packets before it are kept."""
        while True:
            message = self._connection.receive(deadline)
            match message:
                case Response() if message.fields.get("cseq") in ("", str(self._sent)):
                    return message
                case Interleaved():
                    self.early.append(message)
                case Asked():
                    self.reply(message)
            if message is None or time.monotonic() >= deadline:
                raise faults.no_answer(self._name)

    def reply(self, asked: Asked) -> None:
        """Answer what the camera asks, which is seldom more than whether this side is there.

        Raises:
            CameraError: it says goodbye.
        """
        if asked.method == "REDIRECT":
            raise redirected(self._name, "Give that address instead, if you know it.")
        if asked.method == "TEARDOWN":
            raise faults.closed(self._name)
        known = asked.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER")
        try:
            reply = encode_response(OK if known else _NOT_IMPLEMENTED, {"CSeq": asked.fields.get("cseq")})
        except WireError as error:
            raise faults.not_rtsp(self._name) from error
        self._connection.send(reply, time.monotonic() + REQUEST_S)
