"""The standing jobs in the settings: whether their plugins and options are right."""

from __future__ import annotations

from kinora.actors.errors import KinoraError
from kinora.actors.standing_job import StandingJob, known_live
from kinora.doctor.finding import Finding, ok, warning
from kinora.settings import Settings
from kinora.system import System

CHECK = "standing jobs"


async def check_standing_jobs(settings: Settings, system: System) -> list[Finding]:
    """Check each as far as that opens no source; ``system`` has the plugins of these settings."""
    found = [await _check(name, wanted, system) for name, wanted in settings.jobs.items()]
    if len(settings.jobs) > settings.max_jobs:
        text = f"there are {len(settings.jobs)}, and only {settings.max_jobs} jobs run at once"
        found.append(warning(CHECK, text, "raise max_jobs: the others wait for one that ends"))
    return found


async def _check(name: str, wanted: StandingJob, system: System) -> Finding:
    try:
        await system.jobs.check(wanted.request())
    except KinoraError as error:
        return warning(CHECK, f"{name} cannot begin: {error}", f"mend [jobs.{name}] in kinora.toml")
    if wanted.clip is not None and known_live(wanted.source) is not None:
        text = f"{name} keeps no clips, as {wanted.source} is live and clips are cut out of files"
        return warning(CHECK, text, f"take clip out of [jobs.{name}] in kinora.toml")
    return ok(CHECK, f"{name}: {wanted.source}, restart {wanted.restart}")
