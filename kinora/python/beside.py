"""Blocking calls of an async program, in a thread beside its event loop: asyncio's, or Trio's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import sniffio
import trio

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    """Call a function in a thread. If this is cancelled, the call goes on, and its outcome is lost."""
    if sniffio.current_async_library() == "trio":
        return await trio.to_thread.run_sync(function, abandon_on_cancel=True)
    return await asyncio.to_thread(function)
