"""The first message of a WebSocket that shows its token in it: ``{"type": "auth", "payload": {"token": …}}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import trio

from kinora.actors.realtime.connection_manager import CloseCode
from kinora.actors.realtime.filters import ClientAuth
from kinora.web.access.rights import Credential
from kinora.web.connection.websocket_stream import Lane, lane_of
from kinora.web.scopes import until_stop

FIRST_MESSAGE_S = 10.0
"""The time for the message to come; then the WebSocket is closed. Nothing else is taken or sent before it."""
MAX_REASON = 123
"""The most bytes of the reason in a close frame, see RFC 6455 §5.5."""
NO_TOKEN = f"This server needs a token: send it as the first message, within {FIRST_MESSAGE_S:g} s."
GOING_AWAY = "The server is going away."
_CONNECT = {"type": "websocket.connect"}


class FirstMessage:
    """Opens a WebSocket, and takes its first message before the app begins; to the app it seems not open yet."""

    def __init__(self, receive: Any, send: Any) -> None:
        self._receive = receive
        self._send = send
        self._connected = False
        self._refusal = b""
        self._lane: Lane | None = None

    async def secret(self, scope: Mapping[str, Any]) -> Credential | None:
        """Open the WebSocket, and return what the first message shows; None if there is no good one: it is closed."""
        await self._receive()
        self._lane = lane_of(scope)
        if self._lane is not None:
            self._lane.hold()
        await self._send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        message: Mapping[str, Any] | None = None
        with until_stop(scope) as stopping, trio.move_on_after(FIRST_MESSAGE_S):
            message = await self._receive()
        if stopping.cancelled_caught:
            await self.close(GOING_AWAY, CloseCode.GOING_AWAY)
            return None
        shown = None if message is None else _shown_in(message)
        if shown is None:
            await self.close(NO_TOKEN)
        return shown

    async def close(self, reason: str, code: CloseCode = CloseCode.NOT_ALLOWED) -> None:
        """Close the WebSocket, and say why."""
        self._read_on()
        short = reason.encode()[:MAX_REASON].decode(errors="ignore")
        await self._send({"type": "websocket.close", "code": code, "reason": short})

    def _read_on(self) -> None:
        if self._lane is not None:
            self._lane.go_on()

    async def receive(self) -> Any:
        """Return the app's next event: first that a client wants to connect."""
        if not self._connected:
            self._connected = True
            return _CONNECT
        return await self._receive()

    async def send(self, message: Mapping[str, Any]) -> None:
        """Pass on what the app sends. Its answer to the upgrade was given before; a refusal becomes a close."""
        match message["type"]:
            case "websocket.accept" | "websocket.http.response.start":
                self._read_on()
                await trio.lowlevel.checkpoint()
            case "websocket.http.response.body":
                self._refusal += message.get("body", b"")
                if not message.get("more_body", False):
                    await self.close(_detail(self._refusal))
            case _:
                await self._send(message)


def _shown_in(message: Mapping[str, Any]) -> Credential | None:
    text = message.get("text")
    if message["type"] != "websocket.receive" or text is None:
        return None
    try:
        return Credential(msgspec.json.decode(text, type=ClientAuth).payload.token, is_cookie=False)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):  # the last if it is nested too deeply
        return None


class _Problem(msgspec.Struct):
    detail: str


def _detail(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Problem).detail
    except msgspec.DecodeError:
        return "The server does not allow this."
