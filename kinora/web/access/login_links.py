"""Links that sign a browser in: each has a code that works once, and never the token itself."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import trio

from kinora.web.access.rights import Access
from kinora.web.scopes import header_values, host_name, is_loopback, is_secure

LOGIN = "/login"
CODE_BYTES = 16
CODE_S = 3600.0
"""A code that was not used for so long does not work any more."""
MAX_CODES = 32
"""The most codes that wait to be used; a further one takes the place of the oldest."""


@attrs.frozen
class _Code:
    digest: bytes
    access: Access
    ends: float


class LoginLinks:
    """The codes that wait to be used.

    Args:
        bases: the addresses of the server, such as ``http://192.168.1.5:8000``, for those who use it from elsewhere.
    """

    def __init__(self, bases: Sequence[str]) -> None:
        self._bases = tuple(bases)
        self._codes: deque[_Code] = deque(maxlen=MAX_CODES)

    def make(self, access: Access, base: str | None = None) -> Sequence[str]:
        """Make a code that gives this access; return the link with it, for ``base`` or each address of the server."""
        code = secrets.token_urlsafe(CODE_BYTES)
        self._codes.append(_Code(_digest(code), access, trio.current_time() + CODE_S))
        return [f"{base}{LOGIN}?code={code}" for base in (self._bases if base is None else (base,))]

    def use(self, code: str) -> Access | None:
        """Use up a code, and return the access that it gives; None if it was used, is too old, or was never made."""
        digest, found = _digest(code), None
        for made in tuple(self._codes):
            if hmac.compare_digest(made.digest, digest):
                self._codes.remove(made)
                found = made
        return found.access if found is not None and trio.current_time() < found.ends else None

    def base_of(self, scope: Mapping[str, Any]) -> str | None:
        """The address that this client itself uses; None if it is on loopback, where others cannot follow."""
        host = next(iter(header_values(scope, b"host")), "")
        if is_loopback(host_name(host.lower().removesuffix(":")) or ""):
            return None
        return f"{'https' if is_secure(scope) else 'http'}://{host}{scope.get('root_path', '')}"


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()
