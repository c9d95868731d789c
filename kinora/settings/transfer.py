"""Settings as bytes, for a process of one's own on this machine. They name files with secrets, and are for no log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import msgspec

from kinora.settings.fields import Settings


def encode_settings(settings: Settings) -> bytes:
    """Return all settings but the standing jobs and the webhooks, which are the server's alone."""
    return _encode(attrs.evolve(settings, jobs={}, webhooks={}))


def decode_settings(data: bytes) -> Settings:
    """Return the settings.

    Raises:
        msgspec.DecodeError: they are of another version of Kinora.
    """
    return _decode(data)


def _path(kind: type[Any], value: Any) -> Any:
    if kind is not Path:
        raise NotImplementedError(kind)
    return Path(value)


_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder(Settings, dec_hook=_path).decode
