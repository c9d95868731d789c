"""The standing jobs in the settings: whether their plugins and options are right."""

from __future__ import annotations

from kinora.actors.errors import KinoraError
from kinora.actors.requests.standing_job import StandingJob, known_live
from kinora.doctor.finding import Finding, ok, warning
from kinora.media.source_names import WEBCAM
from kinora.settings import Settings
from kinora.system import System

CHECK = "standing jobs"


async def check_standing_jobs(settings: Settings, system: System) -> list[Finding]:
    """Check each as far as that opens no source; ``system`` has the plugins of these settings."""
    found = [await _check(name, wanted, settings, system) for name, wanted in settings.jobs.items()]
    if len(settings.jobs) > settings.max_jobs:
        text = f"there are {len(settings.jobs)}, and only {settings.max_jobs} jobs run at once"
        found.append(warning(CHECK, text, "raise max_jobs: the others wait for one that ends"))
    return found


async def _check(name: str, wanted: StandingJob, settings: Settings, system: System) -> Finding:
    try:
        await system.jobs.check(wanted.request())
    except KinoraError as error:
        return warning(CHECK, f"{name} cannot begin: {error}", f"mend [jobs.{name}] in kinora.toml")
    if wanted.clip is not None and known_live(wanted.source) is not None:
        return check_live_clips(name, wanted, settings)
    return _fine(name, wanted)


def check_live_clips(name: str, wanted: StandingJob, settings: Settings) -> Finding:
    """Say why a standing job of a live source keeps no clips, if it keeps none."""
    if settings.agents or settings.engine != "embedded":
        text = f"{name} keeps no clips, as {wanted.source} is live, and its job runs with an agent"
        return warning(CHECK, text, "take out agents and engine in kinora.toml: the server itself keeps clips")
    if wanted.source.startswith(WEBCAM):
        text = f"{name} keeps clips only if {wanted.source} gives H.264 or JPEG; most webcams give raw pictures"
        return warning(CHECK, text, f"if none come, take clip out of [jobs.{name}] in kinora.toml")
    return _fine(name, wanted)


def _fine(name: str, wanted: StandingJob) -> Finding:
    return ok(CHECK, f"{name}: {wanted.source}, restart {wanted.restart}")
