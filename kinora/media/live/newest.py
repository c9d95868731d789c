"""Reads a live source all the time, so that each picture taken from it is the newest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Newest(Generic[Item]):
    """An iterator over ``items``, which a thread reads as fast as they come.

    One item waits to be taken: the next one replaces it. An error that ``items`` raises comes behind the last item.
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._waiting: list[Item] = []
        self._end: Exception | None = None
        self._changed = threading.Condition()
        threading.Thread(target=self._read, name="newest", daemon=True).start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        """Wait for an item."""
        with self._changed:
            while not self._waiting and self._end is None:
                self._changed.wait()
            if self._waiting:
                return self._waiting.pop()
            raise self._end or StopIteration

    def _read(self) -> None:
        end: Exception = StopIteration()
        try:
            for item in self._items:
                with self._changed:
                    self._waiting = [item]
                    self._changed.notify_all()
        except Exception as error:  # noqa: BLE001 - it is raised where the items are taken
            end = error
        with self._changed:
            self._end = end
            self._changed.notify_all()
