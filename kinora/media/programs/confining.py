"""What programs that meet hostile media may still do, once they have found the source."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence

from kinora.runtime.linux.confinement import confine


def confine_to(
    source: Sequence[int | str] | None,
    *,
    reads: Sequence[str] = (),
    writes: str | None = None,
    device: str | None = None,
) -> None:
    """Leave this program its source, as descriptors and paths, further folders to read, one to write in, a device.

    A source of None stands for a URL.
    """
    folders = () if writes is None else (writes,)
    if source is None:
        confine(reads=(*_certificates(), *reads), writes=folders, network=True)
    else:
        confine(reads=(*source, *reads), writes=folders, devices=() if device is None else (device,))


def _certificates() -> Iterable[str]:
    """The files and folders that OpenSSL reads trusted certificates from, which the environment may name."""
    return filter(None, (str(path or "") for path in ssl.get_default_verify_paths()))
