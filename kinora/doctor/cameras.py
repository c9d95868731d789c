"""The cameras that the operator has placed: their password files, and whether each can be reached."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from kinora.actors.sources.camera_checks import CameraState
from kinora.doctor.finding import Finding, ok, warning
from kinora.doctor.folders import in_use
from kinora.media.live.placed_camera import unreadable
from kinora.settings import Settings, password_faults
from kinora.system import System

TRY_S = 40.0
"""The time to try all cameras; what is not known by then is said to be so. The trial of a frame has more."""


def check_cameras(settings: Settings) -> list[Finding]:
    """What the settings say of cameras. Blocks, for as long as the disk of a password file does not answer."""
    placed = [*settings.cameras, *(f"webcam:{number}" for number in settings.webcams)]
    faults = password_faults(settings)
    found = ok("cameras", f"in the settings: {', '.join(placed) or 'none'}")
    return [found, *_warnings(faults)]


async def try_cameras(settings: Settings, system: System) -> list[Finding]:
    """Open each camera for a moment, but none that a server with these settings may have open.

    Of one whose password cannot be read :func:`check_cameras` tells.
    """
    if not (settings.cameras or settings.webcams):
        return []
    if in_use(settings.data_dir):
        return [ok("cameras", "a server is at work, so none is opened: see kinora cameras")]
    states: list[CameraState] = []
    with trio.move_on_after(TRY_S):
        while not states or not all(state.checked_at for state in states):
            states = await system.camera_checks.states()
    reached = [ok("cameras", _in_words(state)) for state in states if state.reachable]
    others = (state for state in states if not state.reachable)
    return reached + _warnings([_in_words(one) for one in others if not one.message.startswith(unreadable(one.source))])


def _in_words(state: CameraState) -> str:
    """What was found out; many sentences have the camera's name already."""
    return state.message if state.source in state.message else f"{state.source}: {state.message}"


def _warnings(faults: Sequence[str]) -> list[Finding]:
    """A warning for each; the last one says where to read on."""
    return [warning("cameras", fault, "see docs/cameras.md" if fault == faults[-1] else "") for fault in faults]
