"""What plugins print, shown line by line as it comes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from kinora.cli.terminal.output import print_line

LINE_BYTES = 4096
"""The longest line; what is longer is shown as several."""


class PluginOutput:
    """Shows the output of a job's plugins, each line behind the name of its plugin."""

    def __init__(self) -> None:
        self.plugins: Collection[str] = ()
        """The names of the job's plugins; other workers' output is not shown."""
        self._say: Callable[[str], None] = partial(print_line, file="stderr")
        self._rest: dict[str, bytes] = {}
        """Plugin → its last line, as long as that has no end."""

    @contextmanager
    def said_by(self, say: Callable[[str], None]) -> Iterator[None]:
        """Print each line by ``say`` during the block, as something else is on the terminal."""
        before, self._say = self._say, say
        try:
            yield
        finally:
            self._say = before

    def hear(self, worker: str, data: bytes) -> None:
        """Take a part of the output of the worker ``job/plugin``; empty bytes are its end."""
        job, _, plugin = worker.partition("/")
        if not job or plugin not in self.plugins:
            return
        *lines, rest = (self._rest.pop(plugin, b"") + data).split(b"\n")
        if rest and (not data or len(rest) > LINE_BYTES):
            lines, rest = [*lines, rest], b""
        for line in lines:
            self._show(plugin, line)
        if rest:
            self._rest[plugin] = rest

    def _show(self, plugin: str, line: bytes) -> None:
        text = line.decode("utf-8", "backslashreplace").rstrip("\r")
        with suppress(BrokenPipeError):  # nobody reads stderr any more
            self._say(f"{plugin}: {text}")
