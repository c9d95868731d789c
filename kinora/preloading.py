"""How the fork server of a system is started, so that a command can do that before it imports the rest."""

from __future__ import annotations

from kinora.media.source_types import opencv_limits
from kinora.runtime.forking.launching import Launch
from kinora.settings import Settings, source_limits

PRELOAD = (
    "numpy",
    "cv2",
    "av",
    "kinora.plugins.worker",
    "kinora.plugins.options_worker",
    "kinora.media.programs.decoder",
    "kinora.media.programs.still",
    "kinora.media.programs.annotator",
    "kinora.media.programs.live_jpeg",
    "kinora.media.programs.clip_cutter",
)
"""The modules that the fork server imports for its workers; importing them starts no thread."""


def launch_of(settings: Settings) -> Launch:
    """The start of the fork server under these settings."""
    return Launch(PRELOAD, settings.worker_env, opencv_limits(source_limits(settings)))
