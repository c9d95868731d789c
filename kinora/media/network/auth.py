"""How a client proves who it is: Basic and Digest (RFC 7616, and RFC 2617 for older cameras)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence

import attrs

MAX_PROOFS = 3
"""The answers to one request that may ask for a password, or for it once more with another nonce."""
_PARTS = re.compile(r'([A-Za-z0-9_-]+)(?:[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s,"]*))?')
_QUALITY = "auth"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_HASHES: Mapping[str, Callable[[str], str]] = {"sha-256": _sha256, "md5": _md5, "": _md5}


@attrs.frozen
class Credentials:
    """A user and a password. Its text shows neither."""

    user: str = attrs.field(repr=False)
    password: str = attrs.field(repr=False)


@attrs.frozen
class Challenge:
    """One way in which a server wants to be shown who asks."""

    scheme: str
    """In lower case."""
    parameters: Mapping[str, str]
    """By names in lower case."""

    @property
    def is_stale(self) -> bool:
        """True if the password was right and only the nonce has grown old."""
        return self.parameters.get("stale", "").lower() == "true"

    @property
    def strength(self) -> int:
        """The larger, the better; 0 for what is not known here."""
        if self.scheme == "basic":
            return 1
        qualities = self.parameters.get("qop", _QUALITY).replace(" ", "").lower().split(",")
        algorithm = self.parameters.get("algorithm", "").lower()
        if self.scheme != "digest" or algorithm not in _HASHES or _QUALITY not in qualities:
            return 0
        return 3 if algorithm == "sha-256" else 2


def parse_challenges(values: Sequence[str]) -> list[Challenge]:
    """The challenges in all ``WWW-Authenticate`` fields of an answer; a field may hold several."""
    found: list[tuple[str, dict[str, str]]] = []
    for value in values:
        for part in _PARTS.finditer(value):
            if part[2] is None:
                found.append((part[1].lower(), {}))
            elif found:
                found[-1][1][part[1].lower()] = _unquoted(part[2])
    return [Challenge(scheme, parameters) for scheme, parameters in found]


class Prover:
    """Makes the ``Authorization`` of each request, by the server's last challenge."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._challenge: Challenge | None = None
        self._worked = False
        self._count = 0

    def take(self, challenges: Sequence[Challenge]) -> bool:
        """Go by the best of these challenges from now on; False if that is of no use."""
        best = max(challenges, key=lambda one: one.strength, default=None)
        if best is None or not best.strength:
            return False
        before, self._challenge = self._challenge, best
        worth = before is None or best.is_stale or (self._worked and best.parameters != before.parameters)
        self._worked, self._count = False, 0
        return worth

    def was_accepted(self) -> None:
        """Note that the last request was let in; a new nonce that comes after it does not mean a refusal."""
        self._worked = True

    def prove(self, method: str, target: str) -> str | None:
        """The value of the field; None if the server has not asked."""
        if self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            both = f"{self._credentials.user}:{self._credentials.password}"
            return f"Basic {base64.b64encode(both.encode()).decode()}"
        self._count += 1
        asked, nonce = self._challenge.parameters, secrets.token_hex(8)
        return digest(asked, self._credentials, method, target, count=self._count, own_nonce=nonce)


def digest(
    asked: Mapping[str, str], credentials: Credentials, method: str, target: str, *, count: int, own_nonce: str
) -> str:
    """The value of ``Authorization`` for a Digest challenge; ``count`` is the number of uses of its nonce."""
    made = _HASHES[asked.get("algorithm", "").lower()]
    realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
    secret = made(f"{credentials.user}:{realm}:{credentials.password}")
    what = made(f"{method}:{target}")
    quoted = {"username": credentials.user, "realm": realm, "nonce": nonce, "uri": target}
    plain: dict[str, str] = {}
    if "qop" in asked:
        plain = {"qop": _QUALITY, "nc": f"{count:08x}"}
        quoted |= {"cnonce": own_nonce, "response": made(f"{secret}:{nonce}:{count:08x}:{own_nonce}:{_QUALITY}:{what}")}
    else:
        quoted["response"] = made(f"{secret}:{nonce}:{what}")
    if "opaque" in asked:
        quoted["opaque"] = asked["opaque"]
    if "algorithm" in asked:
        plain["algorithm"] = asked["algorithm"]
    parts = [f'{name}="{_escaped(value)}"' for name, value in quoted.items()]
    return "Digest " + ", ".join([*parts, *(f"{name}={value}" for name, value in plain.items())])


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
