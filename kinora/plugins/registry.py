"""Finds the available plugins. Each is imported and inspected in a process of its own, never in the server.

The built-in ones share one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import attrs
import msgspec
import trio

from kinora.plugins import protocol
from kinora.plugins.api import MAX_BATCH, MAX_BATCH_WAIT_MS, MAX_SKELETON, PluginMetadata
from kinora.plugins.code_hash import codes_of
from kinora.plugins.discovery import Candidate, find_candidates
from kinora.plugins.import_errors import from_plugin_on, with_place
from kinora.plugins.needed import is_builtin, may_be_needed, suffices
from kinora.plugins.protocol import Origin
from kinora.runtime.forking.own_interpreter import UNUSABLE
from kinora.runtime.forking.workers import (
    Conversation,
    ForkServer,
    ForkServerGone,
    ProtocolError,
    Worker,
    WorkerGone,
    describe_exit,
)

INSPECT_TIMEOUT_S = 10.0
"""The time for importing a plugin, and then for checking each ``config_schema``; what takes longer is broken.

Models are loaded later, in ``prepare``.
"""
INSPECT_AT_ONCE = 4
EXIT_GRACE_S = 0.25
"""The time for a process to end after it has closed its channel, so that the reason can say how it ended."""
RESERVED_NAMES = ("reload",)
"""Names that no plugin may have, since ``/v1/plugins/reload`` is a call."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")

_decode_metadata = msgspec.json.Decoder(PluginMetadata).decode


@attrs.frozen
class PluginEntry:
    """A plugin that was found; it may be broken."""

    name: str
    origin: Origin
    metadata: PluginMetadata | None = None
    """None if it is broken."""
    defaults: protocol.OptionsChecked | None = None
    """The outcome of a check of no options against its ``config_schema``; None without one."""
    broken: str | None = None
    """The reason, as a sentence, why it cannot be used; None if it can."""
    traceback: str | None = None
    """The Python traceback of a broken plugin, or the output of its process."""
    code: str = ""
    """The hash of its code, with which two machines compare what they have; see ``code_hash``."""
    sums_up: bool = False
    """True if it defines ``finalize``."""
    merges: bool = False
    """True if it defines ``merge``."""


class PluginRegistry:
    """The plugins of entry points, of ``plugins_dir`` and of ``plugin_files``; empty before the first reload.

    ``needed`` has the names of the plugins that are used, None for any: then built-in ones that are not among them are
    looked at only if that may change what those are.
    """

    def __init__(
        self,
        fork_server: ForkServer,
        *,
        plugins_dir: Path | None = None,
        plugin_files: Iterable[Path] = (),
        needed: Collection[str] | None = None,
    ) -> None:
        self._fork_server = fork_server
        self._needed = needed
        self._plugins_dir = plugins_dir
        self._plugin_files = tuple(plugin_files)
        self._entries: tuple[PluginEntry, ...] = ()
        self._reloading = trio.Lock()
        self._reloads = 0
        """The number of reloads that have begun."""
        self._finished = 0
        """The number of the last reload that was not cancelled and did not fail."""

    def get(self, name: str) -> PluginEntry | None:
        """Return the plugin of this name: of several, the one that works; None if there is none."""
        named = [entry for entry in self._entries if entry.name == name]
        return min(named, key=lambda entry: entry.broken is not None, default=None)

    def names(self) -> list[str]:
        """Return the names of the plugins that can be used, sorted."""
        return sorted(entry.name for entry in self._entries if entry.broken is None)

    def all(self) -> tuple[PluginEntry, ...]:
        """Return all plugins, broken ones included: built-in ones first, then entry points, then files."""
        return self._entries

    def defined_in(self, path: Path) -> list[PluginEntry]:
        """Return the plugins that a file or a package's folder defines, broken ones included."""
        return [entry for entry in self._entries if entry.origin.location == str(path)]

    def skeletons(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """Return the skeletons of the plugins that have one, by name."""
        described = [entry.metadata for entry in self._entries if entry.metadata is not None]
        return {metadata.name: metadata.skeleton for metadata in described if metadata.skeleton}

    def candidates(self) -> list[Candidate]:
        """The places where plugins may be now. Blocks: it reads folders."""
        return find_candidates(self._plugins_dir, self._plugin_files)

    async def reload(self) -> None:
        """Find the plugins again. The earlier ones stay until all are inspected, and for good if this is cancelled.

        Calls that come during a reload wait for it, and then share the next one.

        Raises:
            ForkServerGone: the fork server is gone, so plugins cannot be inspected.
        """
        seen = self._reloads
        async with self._reloading:
            if self._finished > seen:
                return
            self._reloads += 1
            number = self._reloads
            candidates = await trio.to_thread.run_sync(self.candidates)
            found = await self._inspect_needed(candidates)
            codes = await trio.to_thread.run_sync(codes_of, found)
            self._entries = tuple(
                settle_names(
                    attrs.evolve(entry, code=codes[place]) for place in candidates for entry in found.get(place, ())
                )
            )
            self._finished = number

    async def _inspect_needed(self, candidates: Sequence[Candidate]) -> dict[Candidate, list[PluginEntry]]:
        """The entries of those candidates that must be looked at: all of them, unless few are needed."""
        if self._needed is None:
            return await self._inspect_all(candidates)
        found = await self._inspect_all([place for place in candidates if may_be_needed(place, self._needed)])
        left_out = [place for place in candidates if place not in found]
        names = {entry.name for entries in found.values() for entry in entries if entry.broken is None}
        if suffices(names, left_out, self._needed):
            return found
        return found | await self._inspect_all(left_out)

    async def _inspect_all(self, candidates: Sequence[Candidate]) -> dict[Candidate, list[PluginEntry]]:
        found: dict[Candidate, list[PluginEntry]] = {}
        failures: list[ForkServerGone] = []
        at_once = trio.CapacityLimiter(INSPECT_AT_ONCE)

        async def inspect(candidate: Candidate) -> None:
            try:
                async with at_once:
                    found[candidate] = await self._inspect(candidate)
            except ForkServerGone as error:
                failures.append(error)

        async def inspect_builtin(nursery: trio.Nursery, builtin: Sequence[Candidate]) -> None:
            try:
                found.update(await self._inspect_together(builtin))
            except ForkServerGone as error:
                failures.append(error)
            for candidate in builtin:
                if candidate not in found:
                    nursery.start_soon(inspect, candidate)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(inspect_builtin, nursery, [place for place in candidates if is_builtin(place)])
            for candidate in candidates:
                if not is_builtin(candidate):
                    nursery.start_soon(inspect, candidate)
        if failures:
            raise ForkServerGone("the plugins could not be inspected: reload them") from failures[0]
        return found

    async def _inspect_together(self, candidates: Sequence[Candidate]) -> dict[Candidate, list[PluginEntry]]:
        """The entries of built-in plugins, by one process for all: it takes longer to fork than to look at one.

        Those that are broken are left out, and those after one that ends the process or hangs: they are to be looked
        at alone.
        """
        found: dict[Candidate, list[PluginEntry]] = {}
        if not candidates:
            return found
        with suppress(trio.TooSlowError, WorkerGone, ProtocolError, msgspec.MsgspecError):
            async with self._fork_server.worker(protocol.PLUGIN, "inspect built-in plugins") as talk:
                for candidate in candidates:
                    with trio.fail_after(INSPECT_TIMEOUT_S):
                        entries = read_answer(candidate, await talk.ask(protocol.Inspect(origin=candidate.origin)))
                        entries = [await _with_defaults(candidate, entry, talk) for entry in entries]
                    if all(entry.broken is None for entry in entries):
                        found[candidate] = entries
        return found

    async def _inspect(self, candidate: Candidate) -> list[PluginEntry]:
        if candidate.fault:
            return [_broken(candidate, candidate.fault)]
        name, python = f"inspect {candidate.name}", candidate.origin.python
        async with self._fork_server.worker(protocol.PLUGIN, name, interpreter=python) as talk:
            log = talk.worker.log
            slow = f"importing it took longer than {INSPECT_TIMEOUT_S:.0f} s: load models in prepare instead"
            try:
                with trio.fail_after(INSPECT_TIMEOUT_S):
                    entries = read_answer(candidate, await talk.ask(protocol.Inspect(origin=candidate.origin)))
                slow = f"checking its config_schema took longer than {INSPECT_TIMEOUT_S:.0f} s: make it simpler"
                if python:  # what checks a schema is not there
                    async with self._fork_server.worker(protocol.PLUGIN, name) as ours:
                        return [await _with_defaults(candidate, entry, ours) for entry in entries]
                return [await _with_defaults(candidate, entry, talk) for entry in entries]
            except trio.TooSlowError:
                return [_broken(candidate, slow, log.text())]
            except WorkerGone:
                await talk.worker.stop(EXIT_GRACE_S)
                return [_broken(candidate, _why_it_ended(talk.worker), log.text())]
            except (ProtocolError, msgspec.MsgspecError):
                return [_broken(candidate, "on import it wrote into the channel to the server", log.text())]


def _why_it_ended(worker: Worker) -> str:
    said = worker.log.text().strip().splitlines()
    if worker.status == UNUSABLE and said:
        return said[-1]
    return f"on import its process {describe_exit(worker.status)}"


def _broken(candidate: Candidate, reason: str, traceback: str = "") -> PluginEntry:
    return PluginEntry(candidate.name, candidate.origin, broken=reason, traceback=traceback or None)


def read_answer(candidate: Candidate, answer: protocol.Answer | protocol.Note) -> list[PluginEntry]:
    """Return the plugins of a candidate, by the answer of the worker that inspected it."""
    match answer:
        case protocol.Plugins(plugins=plugins, faults=faults):
            return [_entry(candidate, found) for found in plugins] + [_broken(candidate, fault) for fault in faults]
        case protocol.Raised(no_plugin=True) if candidate.imported:
            return []
        case protocol.Raised(message=message, traceback=traceback):
            reason = with_place(message, traceback, candidate.origin)
            return [_broken(candidate, reason, from_plugin_on(traceback))]
        case _:
            return [_broken(candidate, "on import it wrote into the channel to the server")]


def _entry(candidate: Candidate, found: protocol.Found) -> PluginEntry:
    origin = msgspec.structs.replace(candidate.origin, attribute=found.attribute)
    try:
        metadata = _decode_metadata(found.metadata)
    except msgspec.MsgspecError as error:
        return _faulty(candidate, origin, str(error))
    if fault := _fault(metadata):
        return _faulty(candidate, origin, fault)
    return PluginEntry(metadata.name, origin, metadata, sums_up=found.sums_up, merges=found.merges)


def _faulty(candidate: Candidate, origin: Origin, fault: str) -> PluginEntry:
    return PluginEntry(candidate.name, origin, broken=f"the metadata of {origin.attribute} is wrong: {fault}")


def name_fault(name: str) -> str | None:
    """Why no plugin may have this name; None if one may."""
    if not _NAME.fullmatch(name):
        return f"name must be lower-case letters, digits, - and _, up to 100, not {name[:100]!r}"
    if name in RESERVED_NAMES:
        return f"the name {name} is the address of a call: choose another"
    return None


def _fault(metadata: PluginMetadata) -> str | None:
    if fault := name_fault(metadata.name):
        return fault
    if metadata.memory_limit_mb is not None and metadata.memory_limit_mb <= 0:
        return "memory_limit_mb must be more than 0"
    if not 1 <= metadata.max_batch <= MAX_BATCH:
        return f"max_batch must be from 1 to {MAX_BATCH}, not {metadata.max_batch}"
    if not 0 <= metadata.batch_wait_ms <= MAX_BATCH_WAIT_MS:
        return f"batch_wait_ms must be from 0 to {MAX_BATCH_WAIT_MS:.0f}, not {metadata.batch_wait_ms:g}"
    return _skeleton_fault(metadata.skeleton)


def _skeleton_fault(skeleton: Sequence[tuple[int, int]]) -> str | None:
    if len(skeleton) > MAX_SKELETON or not all(0 <= number < MAX_SKELETON for pair in skeleton for number in pair):
        return f"skeleton must be up to {MAX_SKELETON} pairs of numbers from 0 to {MAX_SKELETON - 1}"
    return None


async def _with_defaults(
    candidate: Candidate, entry: PluginEntry, talk: Conversation[protocol.Request, protocol.Answer | protocol.Note]
) -> PluginEntry:
    """Return the entry with its ``defaults``; a broken one if its ``config_schema`` cannot be used.

    Raises:
        TooSlowError: the check takes too long.
    """
    if entry.metadata is None or entry.metadata.config_schema is None:
        return entry
    schema = msgspec.json.encode(entry.metadata.config_schema)
    with trio.fail_after(INSPECT_TIMEOUT_S):
        answer = await talk.ask(protocol.CheckSchema(plugin=entry.name, schema=schema))
    match answer:
        case protocol.OptionsChecked():
            return attrs.evolve(entry, defaults=answer)
        case protocol.SchemaFaulty(message=fault) | protocol.Raised(message=fault):
            return _faulty(candidate, entry.origin, fault)
        case _:
            raise ProtocolError("a check of the schema was answered with something else")


def settle_names(entries: Iterable[PluginEntry]) -> list[PluginEntry]:
    """Let the first of several working plugins with one name keep it; mark the others as broken for that reason."""
    owners: dict[str, Origin] = {}
    settled = []
    for entry in entries:
        owner = owners.setdefault(entry.name, entry.origin) if entry.broken is None else entry.origin
        if owner is not entry.origin:
            reason = f"the name {entry.name} is taken by {owner.location}: rename this one"
            settled.append(attrs.evolve(entry, metadata=None, broken=reason))
        else:
            settled.append(entry)
    return settled
