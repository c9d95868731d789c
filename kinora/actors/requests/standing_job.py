"""A job that the operator wants always: what it is asked for, and when it is started again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

import attrs

from kinora.actors.requests.clip_rule import ClipRule, check_clip
from kinora.actors.requests.job_request import JobRequest, parse_job_request
from kinora.media.network.url_access import is_rtsp
from kinora.media.source_names import is_watched
from kinora.media.source_types import SourceInfo

Restart = Literal["always", "on_failure", "never"]
FIRST_PAUSE_S = 1.0
"""The pause before a job that has ended is started again; each further one is twice as long."""
LONGEST_PAUSE_S = 60.0
"""The longest pause: a job that ends again and again, or cannot begin, is tried once in this time."""
STEADY_S = 60.0
"""A job that has run for this long has settled: the pause after it is the first one again."""


def _no_options() -> Mapping[str, Any]:
    """None."""
    return {}


@attrs.frozen(kw_only=True)
class StandingJob:
    """A job that starts with the server."""

    source: str
    """As in a request: ``camera:front``, a URL, a path in the media folder."""
    plugins: tuple[Any, ...]
    """Names of plugins, or tables of ``name``, ``options``, ``every`` and ``side`` as in a request, in their order."""
    options: Mapping[str, Any] = attrs.field(factory=_no_options)
    """The options of the job, as in a request: ``stride``, ``policy``, ``max_frames`` and so on."""
    device_requested: str = "auto"
    """``auto``, ``cpu``, ``gpu`` or ``cuda:N``."""
    restart: str = attrs.field(default="always", validator=attrs.validators.in_(get_args(Restart)))
    """``always`` starts it again whenever it has ended, ``on_failure`` if it has failed or was interrupted, ``never``
    not at all. A job that a client has cancelled or deleted is started again by the next server only."""

    clip: Mapping[str, Any] | None = attrs.field(default=None, validator=check_clip)
    """How many seconds of the video around each event are kept with the job, such as ``{before_s = 5, after_s = 10}``;
    nothing is if it is left out. See docs/webhooks.md."""

    @property
    def clip_rule(self) -> ClipRule | None:
        """What ``clip`` says."""
        return None if self.clip is None else ClipRule.read(self.clip)

    def request(self) -> JobRequest:
        """What is submitted.

        Raises:
            InvalidRequest: it is not valid; the error has the place and a sentence for each fault.
        """
        return parse_job_request(
            {
                "source": self.source,
                "plugins": list(self.plugins),
                "options": dict(self.options),
                "device_requested": self.device_requested,
            }
        )

    def starts_again(self, status: str) -> bool:
        """True if it is to be started again once it has ended with this status."""
        match cast("Restart", self.restart):
            case "always":
                return status != "cancelled"
            case "on_failure":
                return status in {"failed", "interrupted"}
            case "never":
                return False


def known_live(source: str) -> SourceInfo | None:
    """What is known of a source that can only be live, so that a job may wait for it; None if it must be looked at."""
    if not (is_watched(source) or is_rtsp(source)):
        return None
    return SourceInfo(
        kind="stream", width=0, height=0, max_frame_bytes=0, frames_total=None, fps=None, duration_ms=None
    )


class Pauses:
    """The pauses between the starts of one job: they grow while it does not settle."""

    def __init__(self) -> None:
        self._next_s = FIRST_PAUSE_S

    def after(self, ran_s: float) -> float:
        """The seconds to wait after a job that has run for so long."""
        if ran_s >= STEADY_S:
            self._next_s = FIRST_PAUSE_S
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, LONGEST_PAUSE_S)
        return pause_s
