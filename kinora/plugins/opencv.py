"""Tells if the OpenCV that is installed is one that the built-in plugins can work with.

Four packages install into the folder ``cv2``, one over the other, and ``pip`` does not see that they collide. What is
imported then is the last one, or after one of them was uninstalled a part of another.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util

OURS = "opencv-python-headless"
OTHERS = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
MEND = f"pip install --force-reinstall --no-deps '{OURS}>=4.10,<5'"


def opencv_damage() -> str | None:
    """A sentence if there are only remains of OpenCV, and what mends it; None otherwise. Nothing is imported."""
    found = importlib.util.find_spec("cv2")
    return f"OpenCV is missing or damaged: {_advice()}." if found is None or found.origin is None else None


def opencv_advice(failure: str) -> str:
    """What to do about a failed import, given its text; empty if OpenCV has no part in it."""
    return f"; {_advice()}" if "cv2" in failure or "libGL" in failure else ""


def require_opencv(*names: str) -> None:
    """Import OpenCV, and look for these names in it.

    Raises:
        ImportError: one is missing; the text has the commands that mend it.
    """
    cv2 = importlib.import_module("cv2")
    missing = [name for name in names if not hasattr(cv2, name)]
    if missing:
        version = getattr(cv2, "__version__", "damaged")
        raise ImportError(f"this OpenCV ({version}) has no {', '.join(missing)}: {_advice()}")


def _advice() -> str:
    installed = {name: version for name in (*OTHERS, OURS) if (version := _version(name)) is not None}
    others = [name for name in installed if name != OURS]
    if not others:
        return f"run {MEND}"
    shared = " and ".join(f"{name} {version}" for name, version in installed.items())
    reason = f"{shared} are installed over each other; " if len(installed) > 1 else f"it is {shared}; "
    return f"{reason}run pip uninstall -y {' '.join(others)}, then {MEND}"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
