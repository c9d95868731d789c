"""What the work of a run hands over, and the end of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from kinora.python.errors import RunError
from kinora.python.pictures import Picture


@attrs.frozen
class Shown:
    """A frame that has its turn."""

    line: bytes
    """Its FrameData as JSON."""
    picture: Picture
    events: Sequence[Mapping[str, Any]] = ()
    """What plugins say has happened on it."""


def check_end(state: Mapping[str, Any], *, stopped: bool) -> None:
    """Check how a job has ended.

    Raises:
        RunError: it is not done, and was not stopped by the program.
    """
    if state["status"] == "failed":
        raise RunError(str(state["error"]))
    if state["status"] != "done" and not stopped:
        raise RunError(f"The job {state['job_id']} was {state['status']} before its end")
