"""The cameras that the operator has placed: their password files, and whether each can be reached."""

from __future__ import annotations

import trio

from kinora.actors.camera_checks import CameraState
from kinora.doctor.finding import Finding, ok, warning
from kinora.doctor.folders import in_use
from kinora.settings import Settings, password_faults
from kinora.system import System

TRY_S = 40.0
"""The time to try all cameras; what is not known by then is said to be so. The trial of a frame has more."""


def check_cameras(settings: Settings) -> list[Finding]:
    """What the settings say of cameras. Blocks, for as long as the disk of a password file does not answer."""
    placed = [*settings.cameras, *(f"webcam:{number}" for number in settings.webcams)]
    faults = password_faults(settings)
    found = ok("cameras", f"in the settings: {', '.join(placed) or 'none'}")
    return [found, *(warning("cameras", fault, "see docs/cameras.md") for fault in faults)]


async def try_cameras(settings: Settings, system: System) -> list[Finding]:
    """Open each camera for a moment, but none that a server with these settings may have open."""
    if not (settings.cameras or settings.webcams):
        return []
    if in_use(settings.data_dir):
        return [ok("cameras", "a server is at work, so none is opened: see kinora cameras")]
    states: list[CameraState] = []
    with trio.move_on_after(TRY_S):
        while not states or not all(state.checked_at for state in states):
            states = await system.camera_checks.states()
    return [_finding(state) for state in states]


def _finding(state: CameraState) -> Finding:
    if state.reachable:
        return ok("cameras", f"{state.source}: {state.message}")
    return warning("cameras", f"{state.source}: {state.message}", "see docs/cameras.md")
