"""A check that the installed libraries fit the connection layer, which overrides parts of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.ws_stream import WebsocketBuffer, WSStream
from hypercorn.trio import task_group
from hypercorn.trio.tcp_server import TCPServer
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers.request import TrioBody

HYPERCORN = "0.18.0"
OVERRIDDEN: Mapping[object, tuple[str, ...]] = {
    TCPServer: ("run", "protocol_send", "_read_data", "_close"),
    H11Protocol: (
        "stream_send",
        "_check_protocol",
        "_create_stream",
        "_send_error_response",
        "_send_h11_event",
        "_maybe_recycle",
    ),
    WSStream: ("handle", "app_send", "_accept", "_handle_events", "_send_error_response", "_send_wsproto_event"),
    WebsocketBuffer: ("extend", "clear", "to_message"),
    task_group: ("_handle",),
    task_group.TaskGroup: ("spawn_app",),
    TrioASGIHTTPConnection: ("handle_messages", "handle_request"),
    TrioBody: ("append", "set_complete", "clear"),
}
"""The names that we override or rely on although they are not public."""


def stack_faults() -> list[str]:
    """The differences from what Kinora needs, a sentence each; empty if all libraries fit."""
    faults = [
        f"{getattr(owner, '__name__', owner)} has no {name} any more: install the Hypercorn that Kinora names."
        for owner, names in OVERRIDDEN.items()
        for name in names
        if not hasattr(owner, name)
    ]
    if version("hypercorn") != HYPERCORN:
        faults.append(f"Hypercorn is {version('hypercorn')}, and Kinora needs {HYPERCORN}: install that.")
    return faults
