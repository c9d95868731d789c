"""What comes of an attempt to post, in words for the operator: with what to do, and without the receiver's address."""

from __future__ import annotations

import ssl
from http import HTTPStatus
from http.client import responses

import attrs

OF_ONE_MESSAGE = frozenset({400, 409, 413, 415, 422, 500})
"""The statuses that may be the fault of one message. After any other failure none would be taken."""
WRONG_NAME = frozenset({62, 64})
"""OpenSSL's codes for a certificate of another host or another IP address."""

_ADDRESS = "check host and port in url, and the firewalls between"
_ITS_LOG = "its own log should say why"
NOT_THERE = f"nothing takes connections at its address: {_ADDRESS}"
UNKNOWN_HOST = "its host is not known: check the host in url, and the DNS of the server's machine"
CLOSED = f"it closed the connection without an answer: {_ITS_LOG}"
ENDLESS = "its answer does not end: it should be a status with a short head"
NO_HTTP = "it does not speak HTTP: check the port in url"
SLOW_SECRET = "its secret_file could not be read within {}: check the disk that it is on"  # noqa: S105 - a phrase
SLOW_LOOK_UP = "its host could not be looked up within {}: check the DNS of the server's machine"
SLOW_CONNECTION = f"nothing took the connection within {{}}: {_ADDRESS}"
SLOW_ANSWER = "it did not answer within {}: it should answer at once, and do its work after that"


@attrs.frozen
class Answer:
    """The outcome of an attempt."""

    said: str
    """A phrase that says what came of it, and what to do if it has failed."""
    status: int | None = None
    """The status of the receiver's answer; None if there was none."""

    @property
    def accepted(self) -> bool:
        """True if the receiver has the message."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def away(self) -> bool:
        """True if the receiver cannot take any message now; false if it has taken this one, or refuses it alone."""
        return not self.accepted and self.status not in OF_ONE_MESSAGE


def answered(status: int) -> Answer:
    """The outcome of an attempt that was answered with this status."""
    words = f"it answered {status} {responses.get(status, '')}".rstrip()
    return Answer(words if status < HTTPStatus.MULTIPLE_CHOICES else f"{words}: {_advice(status)}", status)


def _advice(status: int) -> str:
    if status < HTTPStatus.BAD_REQUEST:
        return "redirects are not followed, set url to where it leads"
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return "it must know the secret in secret_file, and both clocks must be right"
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED | HTTPStatus.GONE:
            return "check the path in url"
        case _:
            return _ITS_LOG


def no_secret(why: str) -> str:
    """The phrase for a secret that cannot be read."""
    return f"its secret_file cannot be read ({why}): mend it, it is read at each post"


def why_broken(error: BaseException) -> str:
    """The phrase for a connection that broke before the answer."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _why_not_trusted(cause)
    if isinstance(cause, ssl.SSLError):
        return "it does not speak TLS: check the port in url, or begin url with http://"
    return CLOSED


def _why_not_trusted(error: ssl.SSLCertVerificationError) -> str:
    """OpenSSL's own words, but not those for a wrong name, which tell the address."""
    if error.verify_code in WRONG_NAME:
        return "its certificate is for another host: check the host in url"
    authority = "SSL_CERT_FILE can name its authority when the server starts"
    return f"its certificate is not trusted ({error.verify_message}): {authority}"
