"""The figures of what follows events: webhooks, by their names in the settings, and clips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import get_args

from prometheus_client.core import Metric

from kinora.actors.clips.clips import Clips, GivenUp
from kinora.actors.webhooks.webhooks import WebhookState
from kinora.web.metrics.families import counter, counters, gauge, gauges

_LABEL = "webhook"


def of_webhooks(states: Sequence[WebhookState]) -> Iterable[Metric]:
    """What was posted, and what waits for that."""
    yield counters(
        "kinora_webhook_deliveries",
        "Deliveries that have ended: delivered, given_up, or left_out as too many waited.",
        [_LABEL, "outcome"],
        [
            ([state.name, outcome], getattr(state.figures, outcome))
            for state in states
            for outcome in ("delivered", "given_up", "left_out")
        ],
    )
    yield gauges(
        "kinora_webhook_waiting_deliveries",
        "Deliveries that wait to be taken.",
        _LABEL,
        {state.name: state.waiting for state in states},
    )
    yield gauges(
        "kinora_webhook_oldest_seconds",
        "The age of the oldest delivery that waits.",
        _LABEL,
        {state.name: state.oldest_s for state in states},
    )


def of_clips(clips: Clips) -> Iterable[Metric]:
    """What was kept around events, and what was not."""
    yield counter("kinora_clips_kept", "Clips that were made.", clips.figures.kept)
    yield counters(
        "kinora_clips_given_up",
        "Clips that were not made: failed, too_many waited, too_late, or not_stored as the disk was full.",
        ["reason"],
        [([reason], clips.figures.given_up[reason]) for reason in get_args(GivenUp)],
    )
    yield gauge("kinora_clips_waiting", "Clips that are still to be made.", clips.waiting)
