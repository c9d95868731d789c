"""PluginWatch: looks for plugins again when one of their files has changed, for authors who edit them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
import trio

from kinora.actors.plugins.plugin_records import PluginRecords
from kinora.plugins.code_hash import files_of
from kinora.plugins.own_python import files_about
from kinora.plugins.registry import PluginEntry, PluginRegistry
from kinora.runtime.forking.workers import ForkServerGone

LOOK_S = 0.5
"""The time between two looks at the files. A change is taken up when the next look finds no further one."""
NAMED = 10
"""The most files that a line of the log names; others are counted."""

log = structlog.get_logger()

_State = Mapping[Path, tuple[int, int]]
"""File → when it was written last, in nanoseconds, and its size."""


class PluginWatch:
    """Watches the files of all plugins but the built-in ones. Running jobs keep the code with which they began."""

    def __init__(
        self, registry: PluginRegistry, records: PluginRecords, on_reload: Callable[[], object] = lambda: None
    ) -> None:
        """``on_reload`` is called each time after the plugins were looked for again."""
        self._registry = registry
        self._records = records
        self._on_reload = on_reload
        self._taken: _State | None = None
        """The files as they were when plugins were looked for last; None before the first look."""
        self._seen: _State = {}
        """The files at the last look."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look again and again, until cancelled."""
        await self.look()
        task_status.started()
        while True:
            await trio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Look at the files once; look for plugins again if some have changed and are no longer being written."""
        now = await trio.to_thread.run_sync(self._state)
        settled, self._seen = now == self._seen, now
        if self._taken is None:
            self._taken = now
        elif settled and now != self._taken:
            changed, self._taken = changed_files(self._taken, now), now
            await self._take(changed)

    def _state(self) -> _State:
        candidates = self._registry.candidates()
        folders = [Path(place.origin.location) for place in candidates if place.origin.kind == "file"]
        paths = files_of(candidates).union(*map(files_about, folders))
        found = {path: _written(path) for path in paths}
        return {path: written for path, written in found.items() if written is not None}

    async def _take(self, changed: list[Path]) -> None:
        before = {entry.name: entry for entry in self._registry.all()}
        try:
            await self._registry.reload()
        except ForkServerGone as gone:
            self._taken = {}  # the next look tries again
            log.warning("the plugins could not be read again", reason=str(gone))
            return
        self._records.trust_again()
        self._on_reload()
        log.info("plugins are read again, for the jobs that start from now on", changed=_named(changed))
        for entry in self._registry.all():
            _tell(before.get(entry.name), entry)


def changed_files(before: _State, now: _State) -> list[Path]:
    """The files that are new, were written or have gone, sorted."""
    return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))


def _tell(before: PluginEntry | None, now: PluginEntry) -> None:
    """Log what has become of a plugin, if it is new, changed or broken."""
    if before is not None and (before.code, before.broken) == (now.code, now.broken):
        return
    if now.broken is not None:
        log.warning("a plugin is broken", plugin=now.name, reason=now.broken)
    else:
        log.info("a plugin is new" if before is None else "a plugin has changed", plugin=now.name)


def _named(paths: list[Path]) -> str:
    names = ", ".join(path.name for path in paths[:NAMED])
    return names if len(paths) <= NAMED else f"{names} and {len(paths) - NAMED} more"


def _written(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
