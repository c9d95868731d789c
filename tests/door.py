"""Asks clients of HTTP for a password, and sees whether what they show is right: apart from the client's own code."""

from __future__ import annotations

import base64
import hashlib

import attrs

REALM, NONCE = "camera", "a-nonce"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@attrs.frozen
class Door:
    """A user and the password that lets in."""

    user: str
    password: str
    basic: bool = False
    """True for Basic, else Digest."""

    @property
    def challenge(self) -> str:
        """The ``WWW-Authenticate`` of a refusal."""
        if self.basic:
            return f'Basic realm="{REALM}"'
        return f'Digest realm="{REALM}", qop="auth", nonce="{NONCE}", algorithm=MD5'

    def lets_in(self, target: str, proof: str) -> bool:
        """True if this ``Authorization`` of a GET is right."""
        scheme, _, shown = proof.partition(" ")
        if self.basic:
            both = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return (scheme, shown) == ("Basic", both)
        parts = dict(part.strip().split("=", 1) for part in shown.split(",") if "=" in part)
        given = {name: value.strip('"') for name, value in parts.items()}
        if scheme != "Digest" or (given["username"], given["nonce"], given["uri"]) != (self.user, NONCE, target):
            return False
        secret, what = _md5(f"{self.user}:{REALM}:{self.password}"), _md5(f"GET:{target}")
        middle = ":".join([NONCE, given["nc"], given["cnonce"], "auth"])
        return given["response"] == _md5(f"{secret}:{middle}:{what}")
