"""The versions of what results depend on, without an import of it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "kinora": ("kinora",),
    "numpy": ("numpy",),
    "opencv": (
        "opencv-python-headless",
        "opencv-python",
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
    ),
    "av": ("av",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "torch": ("torch",),
}
"""Name → the packages that it may be of."""


def versions() -> dict[str, str]:
    """The versions of Python and of those of ``PACKAGES`` that are installed. Blocks: it reads files."""
    found = {name: next(filter(None, map(_version, packages)), None) for name, packages in PACKAGES.items()}
    return {"python": platform.python_version(), **{name: it for name, it in found.items() if it is not None}}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
