"""Runs a job for each of many sources, some of them at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio

from kinora.actors.errors import InvalidRequest, KinoraError
from kinora.actors.jobs.job_manager import Submitted
from kinora.actors.jobs.next_state import next_state
from kinora.cli.batch.names import names_of
from kinora.cli.batch.outputs import OutFolder
from kinora.cli.batch.record import Entry, Record, hash_of, version_of
from kinora.cli.batch.rows import Rows, live_rows
from kinora.cli.batch.sources import Source
from kinora.cli.batch.summing import Outcome, report
from kinora.cli.exits import Misuse
from kinora.cli.flags import options
from kinora.cli.flags.flag_names import in_flags
from kinora.cli.flags.folders import require_existing
from kinora.cli.local.following import moment_of, take_frames
from kinora.cli.local.local_request import own_settings, plugin_names, request_of
from kinora.cli.local.plugin_output import PluginOutput
from kinora.cli.local.results_file import ResultsFile
from kinora.cli.local.run_arguments import RunArguments
from kinora.cli.process.errors import naming_flags
from kinora.cli.terminal.live import Moment
from kinora.cli.terminal.report import summary
from kinora.media.network.url_access import is_url
from kinora.media.source_names import is_watched
from kinora.media.source_types import SourceError
from kinora.results.job import exported_job
from kinora.runtime.files.temporary import temporary_folder
from kinora.runtime.forking.launching import Launched
from kinora.runtime.forking.workers import nobody_hears
from kinora.settings import Settings
from kinora.settings.of_run import hosts_of
from kinora.system import System, open_system

ENDLESS = "a live source has no end: run it alone, without --out-dir"


async def run_files(
    settings: Settings, wanted: RunArguments, sources: Sequence[Source], out: OutFolder, launched: Launched
) -> int:
    """Run a job for each source, with the process ``launched`` for the workers, and report; return the exit code.

    Sources that an earlier run has done as they are now are passed over. If this is cancelled, what was done stays,
    and is reported; a later run goes on behind it.

    Raises:
        Misuse: the sources cannot be run as it is wanted.
    """
    await require_existing(settings, "models_dir", "plugins_dir")
    output = PluginOutput()
    with temporary_folder() as folder:
        root = _root(sources)
        settings = _settled(settings, wanted, sources, root, folder)
        opening = open_system(
            settings,
            hear_output=output.hear if wanted.show_output else nobody_hears,
            needed_plugins=[plugin for plugin in wanted.plugins if not options.is_plugin_file(plugin)],
            launched=launched,
        )
        async with opening as system:
            output.plugins = names = [name for plugin in wanted.plugins for name in plugin_names(system, plugin)]
            batch = Batch(system, wanted, plugins=names, sources=sources, out=out, root=root)
            try:
                with live_rows(len(sources)) as rows, output.said_by(rows.say):
                    await batch.run(rows, settings.max_jobs)
            except BaseException:  # a cancellation, perhaps in a group
                if batch.outcomes:
                    report(batch.outcomes, wanted, left=len(sources) - len(batch.outcomes))
                raise
    return report(batch.outcomes, wanted)


def _root(sources: Sequence[Source]) -> Path:
    """The innermost folder that has all files."""
    return Path(os.path.commonpath([source.path.parent for source in sources if source.path] or [Path("/")]))


def _settled(settings: Settings, wanted: RunArguments, sources: Sequence[Source], root: Path, folder: Path) -> Settings:
    """Settings that keep all data in ``folder`` and allow all sources, the files among them below ``root``."""
    return attrs.evolve(
        own_settings(settings, wanted.plugins, folder),
        media_dir=root,
        follow_links=True,
        url_hosts=(*settings.url_hosts, *_hosts(sources)),
        max_jobs=wanted.jobs or settings.max_jobs,
    )


def _hosts(sources: Sequence[Source]) -> Sequence[str]:
    """The hosts to allow for all URLs, each once."""
    try:
        return list(
            dict.fromkeys(host for source in sources if is_url(source.written) for host in hosts_of(source.written))
        )
    except SourceError as error:
        raise Misuse(str(error)) from error


class Batch:
    """The jobs of many sources."""

    def __init__(
        self,
        system: System,
        wanted: RunArguments,
        *,
        plugins: Sequence[str],
        sources: Sequence[Source],
        out: OutFolder,
        root: Path,
    ) -> None:
        """``plugins`` are the names of those of each job; the files of ``sources`` are below ``root``."""
        self._system, self._wanted, self._plugins, self._out, self._root = system, wanted, plugins, out, root
        self._sources = sources
        self._record = Record(out.folder)
        self._names = names_of(sources, self._record.names)
        self._asked = self._hash_of_wishes()
        self._ended: dict[str, Outcome] = {}

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes of the sources that have ended, in the order given."""
        return [self._ended[source.key] for source in self._sources if source.key in self._ended]

    async def run(self, rows: Rows, at_once: int) -> None:
        """Run all jobs, ``at_once`` of them at the same time.

        Raises:
            Misuse: the plugins or their options are wrong.
            Failed: results cannot be written.
        """
        for source in self._sources:
            rows.show(source.key, self._names[source.key], Moment(stage="queued", done=0, total=None))
        waiting = iter(self._sources)
        async with trio.open_nursery() as nursery:
            for _ in range(at_once):
                nursery.start_soon(self._work, waiting, rows)

    async def _work(self, waiting: Iterator[Source], rows: Rows) -> None:
        for source in waiting:
            self._ended[source.key] = outcome = await self._outcome(source, rows)
            rows.end(source.key, self._names[source.key], outcome.row)

    async def _outcome(self, source: Source, rows: Rows) -> Outcome:
        files = self._out.places(self._names[source.key])
        version = await trio.to_thread.run_sync(version_of, source)
        known = self._record.done(source, version, self._asked, self._out.forms)
        if known is not None and all(file.exists() for file in files):
            return Outcome(source=source.written, files=files, summary=known.summary, is_old=True)
        try:
            submitted = await self._submit(source)
            results = await self._results(source, submitted, rows)
        except KinoraError as error:
            return Outcome.failed(source.written, str(error))
        summed = summary(msgspec.json.decode(msgspec.json.encode(results[0].state)), results[0].tally)
        await self._system.jobs.delete(submitted.state.job_id)
        if summed["status"] != "done":
            return Outcome(source=source.written, summary=summed)
        self._note_done(source, version, summed)
        lacking = frozenset[str]().union(*(result.lacking for result in results))
        return Outcome(source=source.written, files=files, summary=summed, lacking=lacking)

    def _note_done(self, source: Source, version: str, summed: Mapping[str, Any]) -> None:
        """Note that a source is done, so that a later run passes over it."""
        entry = Entry(
            source=source.key,
            version=version,
            asked=self._asked,
            name=self._names[source.key],
            forms=tuple(self._out.forms),
            summary=dict(summed),
        )
        self._record.add(entry)

    async def _submit(self, source: Source) -> Submitted:
        """Submit a job for the source.

        Raises:
            KinoraError: this source cannot be run.
            Misuse: the plugins or their options are wrong, for all sources.
        """
        if is_watched(source.written):
            raise KinoraError(ENDLESS)
        place = source.written if source.path is None else str(source.path.relative_to(self._root))
        try:
            submitted = await self._system.jobs.submit(request_of(self._plugins, self._wanted, place))
        except InvalidRequest as error:
            if all(field.path == "source" for field in error.errors):
                raise KinoraError(in_flags(error.detail, error.errors)) from error
            with naming_flags(self._plugins):
                raise
        if submitted.live:
            await self._system.jobs.delete(submitted.state.job_id)
            raise KinoraError(ENDLESS)
        return submitted

    async def _results(self, source: Source, submitted: Submitted, rows: Rows) -> Sequence[ResultsFile]:
        """Follow the job to its end and write its results."""
        job = exported_job(self._system.plugins, submitted.state, "")
        with self._out.writing(self._names[source.key], submitted.state, job) as results:
            first = results[0]
            while not first.state.ended:
                rows.show(source.key, self._names[source.key], moment_of(first))
                first.state = await next_state(self._system.jobs, first.state)
                await take_frames(self._system, results)
            await take_frames(self._system, results)
            for result in results:
                result.state = first.state
        rows.show(source.key, self._names[source.key], moment_of(first))
        return results

    def _hash_of_wishes(self) -> str:
        """A text that changes with what is asked for, and with the code of the plugins."""
        entries = [self._system.plugins.get(name) for name in self._plugins]
        wanted: Mapping[str, Any] = attrs.asdict(
            self._wanted,
            filter=attrs.filters.include("plugin_options", "every", "side", "replicas", "device", "job_options"),
        )
        codes = [(entry.name, entry.code) for entry in entries if entry is not None]
        return hash_of([codes, wanted])
