"""An authority of the tests' own, and the certificates that it gives servers."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import trustme

NAMES = ("localhost", "127.0.0.1", "::1")


class Authority:
    """A certificate authority in a folder; clients that trust it have ``trusted``."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._folder = folder
        self.ca_file = folder / "authority.pem"
        """Its own certificate."""
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self.trusted = ssl.create_default_context()
        self._authority.configure_trust(self.trusted)
        self.server = self.give("server.pem")
        """A certificate for this machine, with its key."""

    def give(self, name: str, **issued: Any) -> Path:
        """Write another certificate for this machine, with its key, into the file of that name.

        ``issued`` are arguments of trustme, such as ``not_after``.
        """
        path = self._folder / name
        self._authority.issue_cert(*NAMES, **issued).private_key_and_cert_chain_pem.write_to_path(str(path))
        return path
