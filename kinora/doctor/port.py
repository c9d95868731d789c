"""The address to listen on: free, or taken by a Kinora that runs."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException

from kinora.doctor.finding import Finding, failed, ok
from kinora.settings import Settings
from kinora.web.server import BindError, bind

ASK_S = 2.0
"""The time for a server on the port to answer."""
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the addresses that mean all
"""Address that a server listens on → one at which it is reached."""


def check_port(settings: Settings) -> list[Finding]:
    """Listen for a moment. Blocks while a server on the port is asked, for ``ASK_S`` at most for each answer."""
    address = f"{settings.host} port {settings.port}"
    try:
        for listening in bind(settings.host, settings.port):
            listening.close()
    except BindError as error:
        if _is_kinora(_ANY.get(settings.host, settings.host), settings.port):
            return [ok("port", f"a Kinora server answers on {address}")]
        sentence, _, mend = str(error).partition(": ")
        return [failed("port", sentence, mend or "choose another one with --port")]
    return [ok("port", f"{address} is free" if settings.port else f"{settings.host}, any free port")]


def _is_kinora(host: str, port: int) -> bool:
    with suppress(OSError, HTTPException, ValueError), closing(HTTPConnection(host, port, timeout=ASK_S)) as connection:
        connection.request("GET", "/v1/health")
        answer = json.loads(connection.getresponse().read(65_536))
        return isinstance(answer, dict) and answer.get("status") == "ok"
    return False
