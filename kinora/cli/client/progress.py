"""Follows a job's progress by its realtime messages."""

from __future__ import annotations

import attrs

from kinora.cli.terminal.live import Moment
from kinora.cli.terminal.report import Tally
from kinora.client import Message


def after(message: Message, moment: Moment, tally: Tally) -> Moment:
    """The job's progress after this message; ``tally`` counts what its frames have."""
    payload = message.payload
    match message.type:
        case "progress":
            return attrs.evolve(
                moment, stage=payload["stage"], done=payload["frames_done"], total=payload["frames_total"]
            )
        case "frame":
            tally.add(payload["plugin"], payload["data"])
            return attrs.evolve(moment, detections=dict(tally.detections))
        case "warning":
            return attrs.evolve(moment, warnings=moment.warnings + 1)
        case "complete":
            return attrs.evolve(moment, stage=payload["status"], done=payload["frames"])
        case _:
            return moment
