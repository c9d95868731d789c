"""All checks, one after the other. Each has a time limit, so that the whole ends whatever hangs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import attrs
import trio

from kinora.doctor import cameras, certificate, folders, machine, media, port, software, webhooks
from kinora.doctor.finding import Finding, failed
from kinora.doctor.trial import check_a_frame
from kinora.settings import Settings

CHECK_S = 10.0
"""The time for a check that asks the system: one that takes longer hangs, and is given up."""
TRIAL_S = 100.0
"""The time for a frame to go through, which takes a second on an idle machine, and for cameras to be tried."""


@attrs.frozen
class Check:
    """A check and its time limit."""

    name: str
    look: Callable[[Settings], Sequence[Finding]]
    """Blocks; it runs in a thread, which is left behind if it hangs."""
    limit_s: float = CHECK_S


CHECKS = (
    Check("Python", lambda _: software.check_python()),
    Check("libraries", lambda _: software.check_libraries()),
    Check("connection layer", lambda _: software.check_overridden_parts()),
    Check("OpenCV", lambda _: software.check_opencv()),
    Check("media libraries", lambda _: media.check_media(), media.PROBE_S + CHECK_S),
    Check("web UI", lambda _: software.check_web_ui()),
    Check("kernel", lambda _: machine.check_kernel()),
    Check("confinement", lambda _: machine.check_confinement()),
    Check("devices", lambda _: machine.check_devices()),
    Check("user", lambda _: machine.check_user()),
    Check("open files", machine.check_files),
    Check("memory", machine.check_memory),
    Check("cores", machine.check_cores),
    Check("processes", machine.check_tasks),
    Check("clocks", lambda _: machine.check_clocks()),
    Check("data folder", folders.check_data_dir),
    Check("folders", folders.check_other_folders),
    Check("certificate", certificate.check_certificate),
    Check("cameras", cameras.check_cameras),
    Check("webhooks", webhooks.check_webhooks),
    Check("port", port.check_port),
)


async def examine(settings: Settings, folder: Path, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """What all checks find. ``folder`` is an empty one for the data of a trial, which comes last."""
    found: list[Finding] = []
    for check in checks:
        found += await _within(check.name, check.limit_s, partial(_in_thread, check, settings))
    if any(finding.state == "failed" for finding in found):
        return found  # a trial would fail for the same reason, in other words
    return [*found, *await _within("a frame", TRIAL_S, partial(check_a_frame, settings, folder))]


async def _in_thread(check: Check, settings: Settings) -> Sequence[Finding]:
    return await trio.to_thread.run_sync(check.look, settings, abandon_on_cancel=True)


async def _within(name: str, limit_s: float, look: Callable[[], Awaitable[Sequence[Finding]]]) -> Sequence[Finding]:
    """What ``look`` finds; an unexpected error, or a look that takes too long, is a finding as well."""
    try:
        with trio.fail_after(limit_s):
            return await look()
    except trio.TooSlowError:
        return [failed(name, f"no answer within {limit_s:g} s", "see what hangs: a disk, a share, a driver")]
    except Exception as error:  # noqa: BLE001 - the other checks must have their turn
        return [failed(name, f"it cannot be checked: {_first(error)}", "see the lines of the log above")]


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
