"""Runs a job in this process, to its end: what ``kinora run`` does once its arguments are read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio

from kinora.actors.jobs.next_state import next_state
from kinora.actors.models import JobState
from kinora.actors.times import utc_now
from kinora.cli.exits import Misuse
from kinora.cli.flags import options
from kinora.cli.flags.folders import require_existing
from kinora.cli.local.annotating import Drawn, annotate_after
from kinora.cli.local.export_folder import ExportFolder, ExportWish
from kinora.cli.local.following import moment_of, take_frames
from kinora.cli.local.local_request import plugin_names, request_of, settings_for
from kinora.cli.local.plugin_output import PluginOutput
from kinora.cli.local.results_file import ResultsFile
from kinora.cli.local.results_formats import STDOUT
from kinora.cli.local.run_arguments import RunArguments
from kinora.cli.process.errors import naming_flags
from kinora.cli.terminal.events import EventLines
from kinora.cli.terminal.live import live_progress
from kinora.cli.terminal.outages import Outages
from kinora.cli.terminal.output import counted, print_json, print_line
from kinora.cli.terminal.report import Tally, print_summary, summary
from kinora.media.messages import Skeletons
from kinora.results.job import exported_job
from kinora.runtime.files.temporary import temporary_folder
from kinora.runtime.forking.launching import Launched
from kinora.runtime.forking.workers import nobody_hears
from kinora.settings import Settings
from kinora.system import System, open_system

PLUGINS_FAILED = 3
"""The exit code of a job that is done although plugins failed, with ``--strict``."""


async def run_job(settings: Settings, wanted: RunArguments, launched: Launched) -> int:
    """Run the job, with the process ``launched`` for its workers, and report it; return the exit code.

    Raises:
        Misuse: something cannot be run as it is wanted.
    """
    await require_existing(settings, "models_dir", "plugins_dir")
    with temporary_folder() as folder:
        settings, source = settings_for(settings, wanted, folder)
        frames = folder / "frames.jsonl" if wanted.annotate is not None else None
        state, results, skeletons = await _run_to_end(settings, wanted, source, frames, launched)
        if frames is not None and wanted.annotate is not None and state.status == "done":
            drawn = Drawn(frames, skeletons, state.frames_done)
            await annotate_after(source, settings, drawn, wanted.annotate)
    summed = _report(state, results.tally, wanted)
    if results.lacking:
        names = ", ".join(sorted(results.lacking))
        print_line(f"{wanted.out} lacks a part of what {names} gave: .jsonl and .json have all", file="stderr")
    if wanted.out is not None:
        _tell_late(state, wanted.out)
    if state.status != "done":
        return 1
    return PLUGINS_FAILED if wanted.strict and summed["failed_plugins"] else 0


def _tell_late(state: JobState, out: Path) -> None:
    """Say which results are not in the file because they came too late for their frames."""
    for name, stage in state.plugins.items():
        if stage.late:
            came = counted(stage.late, "result")
            print_line(
                f"{out} lacks {came} of {name}, whose frames were done before: --side waits for none", file="stderr"
            )


async def _run_to_end(
    settings: Settings, wanted: RunArguments, source: str, frames: Path | None, launched: Launched
) -> tuple[JobState, ResultsFile, Skeletons]:
    """Run the job to its end; its frames are also written to ``frames``, if that is given.

    Also returned are the plugins' skeletons. If this is cancelled, what there is of the job is reported.
    """
    output = PluginOutput()
    opening = open_system(
        settings,
        hear_output=output.hear if wanted.show_output else nobody_hears,
        needed_plugins=[plugin for plugin in wanted.plugins if not options.is_plugin_file(plugin)],
        launched=launched,
    )
    async with opening as system:
        output.plugins = names = [name for plugin in wanted.plugins for name in plugin_names(system, plugin)]
        with naming_flags(names):
            submitted = await system.jobs.submit(request_of(names, wanted, source))
        if submitted.live and wanted.annotate is not None:
            raise Misuse("--annotate cannot be made of a camera, whose pictures are gone afterwards: leave it out")
        with ExitStack() as files:  # a refused job overwrites nothing
            results = files.enter_context(ResultsFile.open(wanted.out, submitted.state, frames=frames))
            job = exported_job(system.plugins, submitted.state, "")
            for wish in map(ExportWish.parse, wanted.export):
                results.exports.append(files.enter_context(ExportFolder.open(wish, job)))
            try:
                await _follow(system, results, output)
            except trio.Cancelled:
                _report_interrupted(results, wanted)
                raise
        skeletons = system.plugins.skeletons()
    return results.state, results, skeletons


def _report_interrupted(results: ResultsFile, wanted: RunArguments) -> None:
    """Report what there is, as of a camera that a user has watched for long enough."""
    results.state = attrs.evolve(results.state, status="interrupted", finished_at=utc_now())
    if results.state.frames_done:
        _report(results.state, results.tally, wanted)


def _report(state: JobState, tally: Tally, wanted: RunArguments) -> Mapping[str, Any]:
    """Print the summary as it is wanted, and return it."""
    summed = summary(msgspec.json.decode(msgspec.json.encode(state)), tally)
    if wanted.as_json:
        print_json(summed)
    else:
        print_summary(summed, file="stderr" if wanted.out == STDOUT else "stdout")
    return summed


async def _follow(system: System, results: ResultsFile, output: PluginOutput) -> None:
    """Show the job of ``results`` and write its frames until it has ended."""
    with live_progress(lines=False) as live, output.said_by(live.say):
        outages, events = Outages(live.say), EventLines(live.say)
        while not results.state.ended:
            live.show(moment_of(results))
            outages.look_at(results.state)
            results.state = await next_state(system.jobs, results.state)
            await take_frames(system, [results], events.add)
        await take_frames(system, [results], events.add)
        events.end()
        live.show(moment_of(results))
