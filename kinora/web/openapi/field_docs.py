"""The docstrings below the fields of a class, which Python itself does not keep."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

_Docs = Mapping[str, str]


def field_docs(model: type) -> dict[str, str]:
    """The docstring of each field of ``model`` and its bases, if they are in this package.

    Empty where the source code is not installed.
    """
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if cls.__module__.startswith("kinora."):
            found |= _docs_of_module(cls.__module__).get(cls.__name__, {})
    return found


@cache
def _docs_of_module(name: str) -> Mapping[str, _Docs]:
    try:
        source = inspect.getsource(sys.modules[name])
    except OSError:
        return {}
    return {node.name: _docs_of_class(node) for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


def _docs_of_class(node: ast.ClassDef) -> _Docs:
    found = {}
    for before, after in pairwise(node.body):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=field)), ast.Expr(value=ast.Constant(value=str(text))):
                found[field] = inspect.cleandoc(text)
    return found
