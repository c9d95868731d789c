"""``kinora plugins check``: what a plugin's author wants to know before others use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import trio

from kinora.actors.jobs.next_state import next_state
from kinora.actors.messages import Code
from kinora.actors.models import JobState, StageState
from kinora.actors.requests.job_request import parse_job_request
from kinora.doctor.finding import Finding, failed, ok, warning
from kinora.kit.asking import FRAME_S, NAMES, Asked, ask, own_line
from kinora.kit.pictures import keep_picture
from kinora.kit.shown import shown
from kinora.plugins.registry import PluginEntry
from kinora.system import System

RUN_S = 90.0
"""The time for the run over the source; a plugin that needs more has seen a part of it."""
LIMITS = {"plugin_timeout_ms": round(FRAME_S * 1000), "prepare_timeout_ms": 60_000}
"""The times for a frame and for ``prepare`` in that run; a plugin that needs more hangs, and the check ends there."""
SLOW_S = 15.0
"""The time after which it is told that there is no frame yet."""
ASKED_FRAMES = 8
"""The frames that the questions are asked with."""
MILD = frozenset({"PLUGIN_WARNING", "PLUGIN_SLOW", "DEVICE_FALLBACK", "STATE_LOST"})
"""The codes of warnings that do not show a fault in the plugin's code."""

Tell = Callable[[Finding], None]
"""Called with each finding as it comes; it must not block."""


async def check_plugin(
    system: System, entry: PluginEntry, request: Mapping[str, Any], folder: Path, tell: Tell
) -> None:
    """Check one plugin. ``request`` asks for a job in which it is the last: it gets the results of the others.

    ``folder`` gets a few pictures.

    Raises:
        InvalidRequest: the plugins or their options are refused.
        ForkServerGone: no process can be started.
    """
    if entry.broken is not None or entry.metadata is None:
        tell(failed("import", str(entry.broken), "kinora plugins show has its traceback"))
        return
    tell(ok("import", f"it is {entry.name} {entry.metadata.version}"))
    for finding in described(entry):
        tell(finding)
    state, frames = await _run(system, entry.name, request, tell)
    for finding in of_run(entry, state, frames):
        tell(finding)
    if hangs(state, entry.name):
        return
    asked = Asked(
        origin=entry.origin,
        options=state.plugins[entry.name].options,
        models_dir=system.settings.models_dir,
        pictures=[await _picture(system, state.job_id, frame["index"], folder) for frame in frames[:ASKED_FRAMES]],
        results=[_before(frame, entry.name) for frame in frames[:ASKED_FRAMES]],
    )
    for question in NAMES if frames else ():
        if (found := await ask(system.fork_server, asked, question)) is not None:
            tell(found)


def described(entry: PluginEntry) -> list[Finding]:
    """What is missing in the metadata, which lists and forms show."""
    metadata = entry.metadata
    assert metadata is not None  # noqa: S101 - asked of working plugins only
    lacking = [
        name
        for name, given in (("description", metadata.description), ("version", metadata.version.strip("0.")))
        if not given
    ]
    properties = (metadata.config_schema or {}).get("properties") or {}
    bare = [key for key, option in properties.items() if not {"description", "title"} & set(option)]
    found = []
    if lacking:
        found.append(
            warning(
                "metadata",
                f"it has no {' and no '.join(lacking)}",
                "add it to PluginMetadata, or to @tool(…): lists show it",
            )
        )
    if bare:
        found.append(
            warning("options", f"without a description: {', '.join(bare)}", "add one to each in config_schema")
        )
    elif properties:
        found.append(ok("options", ", ".join(properties)))
    return found or [ok("metadata", metadata.description)]


async def _run(
    system: System, plugin: str, request: Mapping[str, Any], tell: Tell
) -> tuple[JobState, list[dict[str, Any]]]:
    """Run the job for ``RUN_S`` at most, or until the plugin hangs; return its state and its frames."""
    state = (await system.jobs.submit(parse_job_request({**request, "options": LIMITS}))).state
    with trio.move_on_after(RUN_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_tell_slow, system, state.job_id, tell)
            while not (state.ended or hangs(state, plugin)):
                state = await next_state(system.jobs, state)
            nursery.cancel_scope.cancel()
    await system.jobs.cancel(state.job_id)  # has no effect on one that has ended
    pages = system.jobs.frame_pages(state.job_id)
    frames = [msgspec.json.decode(data) async for page in pages for _, data in page]
    return await system.jobs.wait_ended(state.job_id), frames


async def _tell_slow(system: System, job_id: str, tell: Tell) -> None:
    await trio.sleep(SLOW_S)
    if (await system.jobs.state(job_id)).frames_done == 0:
        limit_s = LIMITS["prepare_timeout_ms"] // 1000
        tell(warning("run", f"no frame is done after {SLOW_S:.0f} s", f"wait: prepare may take {limit_s} s"))


def hangs(state: JobState, plugin: str) -> bool:
    """True if the plugin has not answered within a time of ``LIMITS``."""
    return any((group.plugin, group.code) == (plugin, Code.PLUGIN_TIMEOUT) for group in state.warning_groups)


async def _picture(system: System, job_id: str, index: int, folder: Path) -> Path:
    """Keep the picture of a frame in the folder."""
    path = folder / f"{job_id}-{index}.npy"
    jpeg = await system.jobs.picture(job_id, index, overlay=False)
    await trio.to_thread.run_sync(keep_picture, jpeg, path)
    return path


def _before(frame: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The results of the plugins before this one."""
    return {plugin: result for plugin, result in frame["results"].items() if plugin != name}


def of_run(entry: PluginEntry, state: JobState, frames: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """What the run has shown: failures, the time for a frame, and what clients see."""
    stage = state.plugins[entry.name]
    results = [frame["results"][entry.name] for frame in frames if entry.name in frame["results"]]
    groups = [group for group in state.warning_groups if group.plugin == entry.name]
    found = [
        (warning if group.code in MILD else failed)(
            "run", f"{group.message} ({group.code}, {group.count} times)", _where(entry, stage, group.code)
        )
        for group in groups
    ]
    if state.status not in {"done", "cancelled"}:
        found.append(failed("run", f"the job is {state.status}: {state.error}", "see the lines above"))
    elif not results:
        found.append(warning("run", "it has a result on no frame", "return a dict from process_frame"))
    elif not found:
        found.append(ok("run", f"a result on {len(results):,} of {len(frames):,} frames"))
    return [*found, *_time(entry, stage), ok("clients see", shown(results))]


def _where(entry: PluginEntry, stage: StageState, code: str) -> str:
    """Where to look for the reason of a warning."""
    if code != Code.PLUGIN_TIMEOUT:
        return "kinora run shows its traceback"
    stacks = [error.traceback or "" for error in stage.errors if error.code == code]
    return own_line("".join(stacks), entry.origin)


def _time(entry: PluginEntry, stage: StageState) -> list[Finding]:
    if stage.run_ms is None:
        return []
    told = f"{stage.run_ms.mean:,.1f} ms for a frame, {stage.run_ms.p95:,.1f} ms for the slowest twentieth"
    budget = entry.metadata.latency_budget_ms if entry.metadata is not None else None
    if budget is not None and stage.run_ms.p95 > budget:
        return [
            warning("time", f"{told}; its latency_budget_ms is {budget:,.0f}", "make it faster, or raise the budget")
        ]
    return [ok("time", told)]
