"""The certificate of a server with TLS: usable, and for how long."""

from __future__ import annotations

import ssl
import time

from kinora.doctor.finding import Finding, failed, ok, warning
from kinora.settings import Settings
from kinora.web.connection.tls import TlsError, certificate_in
from kinora.web.connection.tls_session import TlsSession

SOON_D = 14
"""The days before its end at which a certificate should have been renewed."""
_DAY_S = 86_400
_STEPS = 10
"""More than a handshake has."""


def check_certificate(settings: Settings) -> list[Finding]:
    """Read the certificate and its key as the server does. Blocks while the files are read."""
    try:
        certificate = certificate_in(settings.tls_cert, settings.tls_key)
    except TlsError as error:
        sentence, _, mend = str(error).partition(": ")
        return [failed("certificate", sentence, mend)]
    return [] if certificate is None else [_lifetime(str(settings.tls_cert), certificate.session(), settings)]


def _lifetime(name: str, session: TlsSession, settings: Settings) -> Finding:
    """How long the certificate is valid: found by a client that trusts it alone, over memory."""
    try:
        days = (_end_of(session, str(settings.tls_cert)) - time.time()) / _DAY_S
    except ssl.SSLCertVerificationError as error:
        return warning("certificate", f"{name}: {error.verify_message}", "renew it, and send the server SIGHUP")
    if days < SOON_D:
        return warning("certificate", f"{name} ends in {days:.0f} days", "renew it, and send the server SIGHUP")
    return ok("certificate", f"{name} is valid for {days:.0f} days")


def _end_of(server: TlsSession, trusted: str) -> float:
    """The time at which the certificate ends, in seconds since 1970.

    Raises:
        ssl.SSLCertVerificationError: it has ended, or has not begun.
    """
    context = ssl.create_default_context(cafile=trusted)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    from_server, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(from_server, to_server)
    for _ in range(_STEPS):
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            _, answer, _ = server.handshake(to_server.read())
            from_server.write(answer)
    shown = client.getpeercert() or {}
    return ssl.cert_time_to_seconds(str(shown["notAfter"]))
