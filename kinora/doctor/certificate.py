"""The server's certificate: one that a server can use, or none."""

from __future__ import annotations

from kinora.doctor.finding import Finding, failed, ok
from kinora.settings import Settings
from kinora.web.tls import TlsError, certificate_in


def check_certificate(settings: Settings) -> list[Finding]:
    """Load it as a server does. Blocks, for as long as the file system does not answer."""
    try:
        found = certificate_in(settings.tls_cert, settings.tls_key)
    except TlsError as error:
        sentence, _, mend = str(error).removesuffix(".").rpartition(": ")
        return [failed("certificate", sentence, mend)]
    if found is None:
        return [ok("certificate", "none is named: the server speaks HTTP without TLS")]
    return [ok("certificate", f"{settings.tls_cert} can be used")]
