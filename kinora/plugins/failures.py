"""What a worker tells of an exception of its plugin: a sentence and a traceback."""

from __future__ import annotations

import re
import sys
import sysconfig
import traceback
from pathlib import Path

import kinora
from kinora.plugins import protocol
from kinora.plugins.device_errors import is_device_error
from kinora.plugins.protocol import MESSAGE_CHARACTERS, PLACE_CHARACTERS, TRACEBACK_CHARACTERS

_READ_ONLY = re.compile(
    r"(\w+: )?(assignment destination|([\w-]+ )*array|array to be byte-swapped|WRITEBACKIFCOPY base) is read-only"
    r"|cannot set WRITEABLE flag to True of this array|readonly arrays unsupported"
)
"""What numpy and its friends say of an array that cannot be written to."""
_READ_ONLY_OPENCV = "marked as readonly"
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", (?P<place>line \d+, in .+)$', re.MULTILINE)
_INSTALLED = {"site-packages", "dist-packages"}
"""The folders of libraries: a virtual environment beside a plugin is not the plugin's own code."""
_NOT_OWN = (Path(sysconfig.get_path("stdlib")), Path(kinora.__file__).parent)
"""Python and Kinora themselves, which may lie below the folder of a plugin, such as a home folder."""
COPY_FIRST = "frame.image can only be read, copy it first: image = frame.image.copy()"


def raised(error: BaseException, run_ms: float) -> protocol.Raised:
    """The answer about an exception, which may be of any kind."""
    message, trace = valid(_message(error))[:MESSAGE_CHARACTERS], valid(_trace(error))[-TRACEBACK_CHARACTERS:]
    return protocol.Raised(message=message, traceback=trace, run_ms=run_ms, device_failed=is_device_error(error))


def _message(error: BaseException) -> str:
    kind = type(error).__name__
    try:
        text = str(error)
    except BaseException:  # noqa: ASYNC103, BLE001 - even str() of an exception is the plugin's code
        return kind  # noqa: ASYNC104 - no Trio here
    if _READ_ONLY_OPENCV in text:
        return f"{kind}: {COPY_FIRST}"
    if _READ_ONLY.fullmatch(text):
        return f"{kind}: {text}: {COPY_FIRST}"
    return f"{kind}: {text}" if text else kind


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except BaseException:  # noqa: ASYNC103, BLE001 - as above
        return ""  # noqa: ASYNC104 - no Trio here


def home_of(origin: protocol.Origin) -> str | None:
    """The folder of the author's code: that of a file, or of an installed package; None for the built-in ones."""
    if origin.kind == "file":
        path = Path(origin.location)
        return str(path if path.is_dir() else path.parent)
    module = sys.modules.get(origin.location.split(".")[0]) if origin.kind == "entry_point" else None
    file = getattr(module, "__file__", None)
    return str(Path(file).parent) if isinstance(file, str) else None


def own_place(trace: str, home: str | None) -> str | None:
    """The last place of a traceback in the plugin's own code; None if there is none.

    That is code in the plugin's folder, or else any that is no library's: a function that a Python program has handed
    over is in the program's folder.
    """
    found = [(found["file"], found["place"]) for found in _FRAME.finditer(trace)]
    own = [(Path(file).relative_to(home), place) for file, place in found if home and is_own(file, home)]
    other = [(Path(file).name, place) for file, place in found if is_own(file, "/")]
    places = own or other
    return f"{places[-1][0]}, {places[-1][1]}"[-PLACE_CHARACTERS:] if places else None


def is_own(file: str, home: str) -> bool:
    """Whether a file is a plugin's own code, given the folder of that."""
    path = Path(file)
    installed = not _INSTALLED.isdisjoint(path.parts[len(Path(home).parts) :])
    return path.is_relative_to(home) and not installed and not any(path.is_relative_to(other) for other in _NOT_OWN)


def valid(text: str) -> str:
    """Replace half surrogate pairs, which a plugin's text may contain and UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode()
