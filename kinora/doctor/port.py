"""The address to listen on: free, or taken by a Kinora that runs."""

from __future__ import annotations

import json
import ssl
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from kinora.doctor.finding import Finding, failed, ok
from kinora.settings import Settings
from kinora.web.connection.addresses import reachable_here
from kinora.web.connection.server import BindError, bind

ASK_S = 2.0
"""The time for a server on the port to answer."""


def check_port(settings: Settings) -> list[Finding]:
    """Listen for a moment. Blocks while a server on the port is asked, for ``ASK_S`` at most for each answer."""
    address = f"{settings.host} port {settings.port}"
    try:
        for listening in bind(settings.host, settings.port):
            listening.close()
    except BindError as error:
        if _is_kinora(settings):
            return [ok("port", f"a Kinora server answers on {address}")]
        sentence, _, mend = str(error).partition(": ")
        return [failed("port", sentence, mend or "choose another one with --port")]
    return [ok("port", f"{address} is free" if settings.port else f"{settings.host}, any free port")]


def _is_kinora(settings: Settings) -> bool:
    with suppress(OSError, HTTPException, ValueError), closing(_connection(settings)) as connection:
        connection.request("GET", "/v1/health")
        answer = json.loads(connection.getresponse().read(65_536))
        return isinstance(answer, dict) and answer.get("status") == "ok"
    return False


def _connection(settings: Settings) -> HTTPConnection:
    """A connection as clients have it. Whether the certificate is trusted does not matter: no secret is sent."""
    host = reachable_here(settings.host)
    if settings.tls_cert is None:
        return HTTPConnection(host, settings.port, timeout=ASK_S)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(host, settings.port, timeout=ASK_S, context=context)
