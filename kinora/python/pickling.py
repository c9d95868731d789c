"""Pickles the functions and classes of a program, so that errors in their copies name the program's own lines."""

from __future__ import annotations

from collections import ChainMap
from io import BytesIO
from types import CodeType
from typing import Any, ClassVar

import cloudpickle

_NO_FILE = "<dynamic-code>"
"""What cloudpickle puts in the place of a code's file, so that equal functions have equal pickles."""


def pickled(plugin: object) -> bytes:
    """The pickle of a function or class, with all that is defined where it is.

    Raises:
        Exception: something that it needs cannot be pickled.
    """
    file = BytesIO()
    _Pickler(file).dump(plugin)
    return file.getvalue()


def _reduced(code: CodeType) -> tuple[Any, ...]:
    make, arguments = cloudpickle.Pickler.dispatch_table[CodeType](code)
    return make, tuple(code.co_filename if argument == _NO_FILE else argument for argument in arguments)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    dispatch_table: ClassVar[ChainMap[Any, Any]] = ChainMap({CodeType: _reduced}, cloudpickle.Pickler.dispatch_table)
