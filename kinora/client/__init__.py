"""A client of a Kinora server, for programs on Trio: run them by ``trio.run``.

``KinoraClient`` has its REST calls, ``connect`` gives its live messages.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kinora.client.errors import ClientError as ClientError

if TYPE_CHECKING:
    from kinora.client.push import Ack as Ack
    from kinora.client.push import Pushing as Pushing
    from kinora.client.realtime import Realtime as Realtime
    from kinora.client.realtime import connect as connect
    from kinora.client.rest import KinoraClient as KinoraClient
    from kinora.client.rest import Submitted as Submitted
    from kinora.client.resumption import Message as Message

_HOMES = {
    "Ack": "push",
    "Pushing": "push",
    "Realtime": "realtime",
    "connect": "realtime",
    "KinoraClient": "rest",
    "Submitted": "rest",
    "Message": "resumption",
}
"""Name → the module that has it. Each is imported when it is first used: most programs need no WebSockets."""


def __getattr__(name: str) -> Any:
    """Import a part of the client."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
